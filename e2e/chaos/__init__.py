"""Chaos tests: the reference client, worker and server under random faults, compared with a simple model."""
