"""Glue to pytest, xdist and asyncio."""
