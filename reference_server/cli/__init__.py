"""The commands: serve, export and stats."""
