"""Eyes and hands inside SharedWorkers for pytest-playwright."""
