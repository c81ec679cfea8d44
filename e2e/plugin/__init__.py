"""The plugin's own tests in real browsers."""
