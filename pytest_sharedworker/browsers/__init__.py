"""Browsers: find them, start them, and know what each can do."""
