"""A server under load and faults of its process, files and connections: what it acknowledged is stored."""
