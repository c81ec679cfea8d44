"""Find browsers, start them, and list the capabilities of each."""
