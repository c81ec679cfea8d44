"""What was sent and acknowledged, and how it compares with what is stored."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass
class Batch:
    """A batch and its responses. A batch with an identity is sent again until it is acknowledged."""

    keys: list[str]
    body: bytes
    has_identity: bool
    acknowledged_by_request_at: float | None = None
    """When the request began that was acknowledged; None before that."""


@dataclass(frozen=True)
class Balance:
    """The comparison of a ledger with a store, in records.

    `required` were acknowledged and must be stored. `destroyed` were acknowledged before somebody destroyed
    the store. `lost`: required and not stored. `doubled`: stored more than once.
    """

    required: int
    destroyed: int
    stored: int
    lost: int
    doubled: int


@dataclass
class Ledger:
    """The batches and responses of one scenario; its methods may be called from any thread."""

    batches: list[Batch] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    disabled: int = 0
    """Responses that tell a worker to stop. The configuration never says so."""
    slowest_seconds: float = 0.0
    longest_gap_seconds: float = 0.0
    """The longest time without an acknowledgement."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._last_success_at = time.monotonic()

    def begin(self) -> None:
        """Note that the load begins: there was nothing to acknowledge before."""
        self._last_success_at = time.monotonic()

    def add(self, batch: Batch) -> None:
        """Add a batch that will be sent."""
        with self._lock:
            self.batches.append(batch)

    def record(self, batch: Batch, status: str, began_at: float, *, acknowledged: bool) -> None:
        """Record the response to a batch."""
        now = time.monotonic()
        with self._lock:
            self.statuses[status] += 1
            self.slowest_seconds = max(self.slowest_seconds, now - began_at)
            if acknowledged:
                batch.acknowledged_by_request_at = began_at
                self.longest_gap_seconds = max(self.longest_gap_seconds, now - self._last_success_at)
                self._last_success_at = now

    def record_disabled(self) -> None:
        """Record a response that tells a worker to stop."""
        with self._lock:
            self.disabled += 1

    def compare(self, stored_keys: Iterable[str], destroyed_at: float = -float("inf")) -> Balance:
        """Compare with the keys in a store that lost everything at a time.

        A request that had begun by then may have been acknowledged before it.
        """
        stored = Counter(stored_keys)
        required, destroyed, lost = 0, 0, 0
        for batch in self.batches:
            if batch.acknowledged_by_request_at is None:
                continue
            if batch.acknowledged_by_request_at <= destroyed_at:
                destroyed += len(batch.keys)
                continue
            required += len(batch.keys)
            lost += sum(key not in stored for key in batch.keys)
        doubled = sum(count - 1 for count in stored.values())
        return Balance(required, destroyed, sum(stored.values()), lost, doubled)
