"""Programs that nobody here wrote, under the plugin: they work, are seen, and run on virtual time."""
