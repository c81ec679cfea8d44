"""The control channel: how injected code in workers reports to the plugin."""
