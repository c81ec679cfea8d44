"""How much may wait to be stored: beyond it a batch is refused early, and its worker comes back later.

What waits is counted from the first byte of a body to its commit, so that memory is bounded however slow the
disk is. Bytes count as they come: one that only announces a large body keeps no room from the others.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from reference_server.errors import RETRY_AFTER_SECONDS, WireError

DEFAULT_MAX_WAITING_RECORDS = 100_000
DEFAULT_MAX_WAITING_BYTES = 64 * 1024 * 1024


class Admission:
    """Counts what waits. `records` and `waiting_bytes` are those of all requests that are being served."""

    def __init__(self, max_records: int, max_bytes: int) -> None:
        self._max_records = max_records
        self._max_bytes = max_bytes
        self.records = 0
        self.waiting_bytes = 0

    @contextmanager
    def admit(self) -> Iterator["Load"]:
        """Let a request in for as long as the context lasts. Raises WireError 503 `overloaded` when full."""
        if self.records >= self._max_records or self.waiting_bytes >= self._max_bytes:
            raise _overloaded()
        load = Load(self)
        try:
            yield load
        finally:
            self.records -= load.records
            self.waiting_bytes -= load.bytes

    def has_room_for(self, load: "Load", records: int, more_bytes: int) -> bool:
        """Say whether a request may grow. One that is alone always may: else it could never be taken."""
        others = self.records > load.records or self.waiting_bytes > load.bytes
        fits = (
            self.records + records <= self._max_records and self.waiting_bytes + more_bytes <= self._max_bytes
        )
        return fits or not others


class Load:
    """What one request holds."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self.records = 0
        self.bytes = 0

    def grow(self, *, records: int = 0, more_bytes: int = 0) -> None:
        """Count what came. Raises WireError 503 `overloaded` where there is no room for it."""
        if not self._admission.has_room_for(self, records, more_bytes):
            raise _overloaded()
        self.records += records
        self.bytes += more_bytes
        self._admission.records += records
        self._admission.waiting_bytes += more_bytes


def _overloaded() -> WireError:
    return WireError(
        503,
        "overloaded",
        "Too much waits to be stored already; nothing of this request was stored.",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )
