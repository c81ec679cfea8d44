"""The workers and servers under test, each described by a TOML file."""
