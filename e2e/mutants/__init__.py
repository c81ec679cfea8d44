"""Mutants of the reference worker and server, and the proof that the cases kill each one."""
