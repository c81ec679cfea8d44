"""The cases of workers: one file for each family."""
