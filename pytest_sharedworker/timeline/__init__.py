"""What happened in a test, as events in chronological order, and as text."""
