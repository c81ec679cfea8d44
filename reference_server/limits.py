"""The limits on what the server accepts, and their defaults."""

from dataclasses import dataclass

DEFAULT_MAX_BODY_BYTES = 8 * 1024 * 1024
DEFAULT_BODY_TIMEOUT_SECONDS = 30.0
DEFAULT_MAX_WAITING_RECORDS = 100_000
DEFAULT_MAX_WAITING_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Limits:
    """The limits of one server. Raise ValueError for a limit that lets no request pass.

    max_body: the largest body of a request in bytes, compressed and decompressed.
    body_timeout_seconds: the longest time from the first byte of a body to its last.
    max_waiting_records, max_waiting_bytes: how much may wait for its commit before batches are refused.
    """

    max_body: int = DEFAULT_MAX_BODY_BYTES
    body_timeout_seconds: float = DEFAULT_BODY_TIMEOUT_SECONDS
    max_waiting_records: int = DEFAULT_MAX_WAITING_RECORDS
    max_waiting_bytes: int = DEFAULT_MAX_WAITING_BYTES

    def __post_init__(self) -> None:
        for name in ("max_body", "max_waiting_records", "max_waiting_bytes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} {getattr(self, name)}: expected at least 1")
        if not 0 < self.body_timeout_seconds < float("inf"):
            raise ValueError(f"body_timeout_seconds {self.body_timeout_seconds}: expected a number above 0")
