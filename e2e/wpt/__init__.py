"""Web-platform-tests that run in SharedWorkers: the plugin must not change their results."""
