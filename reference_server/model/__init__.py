"""Records, batches and losses."""
