"""The limits on what the server accepts, and their defaults."""

from dataclasses import dataclass

DEFAULT_MAX_BODY_BYTES = 8 * 1024 * 1024
DEFAULT_HEAD_TIMEOUT_SECONDS = 10.0
DEFAULT_BODY_TIMEOUT_SECONDS = 30.0
DEFAULT_IDLE_TIMEOUT_SECONDS = 75.0
"""More than the 60 s after which nginx closes an idle connection to a server: the side that sends requests
should be the one that closes, because a request may be on its way."""

DEFAULT_MAX_CONNECTIONS = 1_000
DEFAULT_MAX_WAITING_RECORDS = 100_000
DEFAULT_MAX_WAITING_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """The limits of one server. Raise ValueError for a limit that lets no request pass.

    max_body: the largest body of a request in bytes, compressed and decompressed.
    body_timeout_seconds: the longest time from the first byte of a body to its last.
    head_timeout_seconds: the longest time from the first byte of a request to the end of its head, and from a
        connection to its first request.
    idle_timeout_seconds: the longest time between a response and the next request of a connection.
    max_connections: how many connections may be open; fewer where the process may open few files.
    max_waiting_records, max_waiting_bytes: how much may wait for its commit before batches are refused.
    """

    max_body: int = DEFAULT_MAX_BODY_BYTES
    body_timeout_seconds: float = DEFAULT_BODY_TIMEOUT_SECONDS
    max_waiting_records: int = DEFAULT_MAX_WAITING_RECORDS
    max_waiting_bytes: int = DEFAULT_MAX_WAITING_BYTES
    head_timeout_seconds: float = DEFAULT_HEAD_TIMEOUT_SECONDS
    idle_timeout_seconds: float = DEFAULT_IDLE_TIMEOUT_SECONDS
    max_connections: int = DEFAULT_MAX_CONNECTIONS

    def __post_init__(self) -> None:
        for name in ("max_body", "max_waiting_records", "max_waiting_bytes", "max_connections"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} {getattr(self, name)}: expected at least 1")
        for name in ("head_timeout_seconds", "body_timeout_seconds", "idle_timeout_seconds"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"{name} {getattr(self, name)}: expected a number above 0")
