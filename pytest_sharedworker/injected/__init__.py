"""JavaScript that runs inside workers and pages, and the text that the plugin makes of it."""
