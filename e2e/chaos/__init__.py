"""Chaos: the reference client, worker and server under faults in random order, against a simple model."""
