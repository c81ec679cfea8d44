"""Admission control: a bound on what waits to be stored. Beyond it a batch is refused early.

A request counts from the first byte of its body to its commit, so that memory is bounded however slow the
disk is. Bytes count as they arrive: a request that only announces a large body takes no room from others.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from reference_server.errors import RETRY_AFTER_SECONDS, WireError


class Admission:
    """Counts what waits: `records` and `waiting_bytes` of all requests in progress."""

    def __init__(self, max_records: int, max_bytes: int) -> None:
        self._max_records = max_records
        self._max_bytes = max_bytes
        self.records = 0
        self.waiting_bytes = 0

    @contextmanager
    def admit(self) -> Iterator["Load"]:
        """Admit a request while the context lasts. Raise WireError 503 `overloaded` if there is no room."""
        if self.records >= self._max_records or self.waiting_bytes >= self._max_bytes:
            raise _overloaded_error()
        load = Load(self)
        try:
            yield load
        finally:
            self.records -= load.records
            self.waiting_bytes -= load.bytes

    def has_room_for(self, load: "Load", records: int, more_bytes: int) -> bool:
        """Return whether a request may grow. A single request always may: else it could never succeed."""
        others = self.records > load.records or self.waiting_bytes > load.bytes
        fits = (
            self.records + records <= self._max_records and self.waiting_bytes + more_bytes <= self._max_bytes
        )
        return fits or not others


class Load:
    """The records and bytes that one request holds."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self.records = 0
        self.bytes = 0

    def grow(self, *, records: int = 0, more_bytes: int = 0) -> None:
        """Add to what the request holds. Raise WireError 503 `overloaded` if there is no room."""
        if not self._admission.has_room_for(self, records, more_bytes):
            raise _overloaded_error()
        self.records += records
        self.bytes += more_bytes
        self._admission.records += records
        self._admission.waiting_bytes += more_bytes


def _overloaded_error() -> WireError:
    return WireError(
        503,
        "overloaded",
        "Too much is waiting to be stored; nothing of this request was stored.",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )
