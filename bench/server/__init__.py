"""What a batch costs the reference server."""
