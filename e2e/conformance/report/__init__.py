"""What a run found out: verdicts, results.json, index.html and the lines on the terminal."""
