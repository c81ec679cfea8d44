"""JavaScript coverage of SharedWorkers (Chromium)."""
