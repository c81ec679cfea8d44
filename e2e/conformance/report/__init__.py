"""What a run reports: verdicts, timelines, and the formats that present them."""
