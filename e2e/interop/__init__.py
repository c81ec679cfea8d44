"""The reference worker in front of other servers."""
