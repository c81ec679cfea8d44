"""Records and batches as they come over the wire."""
