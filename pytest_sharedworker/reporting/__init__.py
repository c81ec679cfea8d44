"""What a failed test leaves behind: HAR, console, timeline, clock states."""
