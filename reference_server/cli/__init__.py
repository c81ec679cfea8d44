"""The command line: serve, export, stats."""
