"""What Playwright cannot do with SharedWorkers, as strict xfail tests."""
