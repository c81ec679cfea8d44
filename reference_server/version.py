"""The version of the server."""

SERVER_VERSION = "0.1.0"
"""Equal to the project's version; `{version}` in a configuration URL is replaced by it."""
