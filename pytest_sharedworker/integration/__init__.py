"""Integration with pytest, pytest-xdist, pytest-timeout and asyncio."""
