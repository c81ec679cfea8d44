"""What the plugin does inside pages: track worker ports, wait until messages are read."""
