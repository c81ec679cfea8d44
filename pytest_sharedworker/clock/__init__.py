"""Clocks of SharedWorkers: virtual, real, and Chromium's own virtual time."""
