"""The cases of servers: one file for each family."""
