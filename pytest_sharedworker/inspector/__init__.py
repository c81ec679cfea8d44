"""Watch a test in the browser while it runs, and act on its workers."""
