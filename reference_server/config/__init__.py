"""The configuration that the server sends to workers: its model and its sources."""
