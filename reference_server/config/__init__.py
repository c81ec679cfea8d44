"""The configuration that workers read: its model and its sources."""
