"""The model: which events were logged, which outcome each must have, and which it had.

It knows no browser. The driver reports what was logged and what went wrong; the model knows the promises and
compares them with the store at the end.

- An event that was logged with consent is stored once. If its tab ends before a worker has acknowledged it,
  it may be stored or not.
- The same holds for an event that reaches a worker without a configuration, because its request for the
  configuration failed: the protocol has such an event dropped.
- An event that was logged without consent is never stored. Neither is one that is queued when consent is
  withdrawn. One that is in a request at that moment cannot be called back: it may be stored or not.
- Events of one tab are stored in order, unless a worker ends between them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from e2e.conformance.accounting import Accounting, Event, Fate, account, get_event_key

SHOWN = 5
"""Number of events that a failure names."""


@dataclass
class LoggedEvent(Event):
    """An event: its number among the accepted ones of its tab, and when it was logged and acknowledged.

    `seq` is None where the client refused the event. Times are seconds on the gateway's clock.
    """

    seq: int | None = None
    logged_at: float = 0.0
    acknowledged_at: float | None = None


@dataclass(frozen=True)
class Verdict:
    """The result of a comparison: the accounting, identities stored twice, and events out of order."""

    accounting: Accounting
    duplicate_identities: tuple[str, ...]
    out_of_order: tuple[str, ...]

    @property
    def balanced(self) -> bool:
        """Whether every promise was kept."""
        return self.accounting.balanced and not self.duplicate_identities and not self.out_of_order

    def __str__(self) -> str:
        parts = [str(self.accounting)]
        if self.duplicate_identities:
            parts.append(f"identities stored twice: {', '.join(self.duplicate_identities[:SHOWN])}")
        if self.out_of_order:
            parts.append(f"out of order: {', '.join(self.out_of_order[:SHOWN])}")
        return "; ".join(parts)


class DeliveryModel:
    """The events of one browser profile. A tab's name is never used again."""

    def __init__(self) -> None:
        self.events: list[LoggedEvent] = []
        self._unacknowledged: dict[str, list[LoggedEvent]] = defaultdict(list)
        """By open tab: accepted by the client, not acknowledged by a worker."""
        self._since_worker_end: list[LoggedEvent] = []
        """Logged since a worker last ended."""
        self._out_of_order: list[str] = []
        self._accepted: Counter[str] = Counter()
        self._logged: Counter[str] = Counter()

    def make_keys(self, tab: str, count: int) -> list[str]:
        """Return keys for a tab's next events."""
        first = self._logged[tab]
        self._logged[tab] += count
        return [f"{tab}/{number}" for number in range(first, first + count)]

    def log(
        self, tab: str, keys: Sequence[str], accepted: Sequence[bool], at: float, *, consent: bool
    ) -> None:
        """Add events, each with whether the client accepted it, and whether there was consent."""
        for key, was_accepted in zip(keys, accepted, strict=True):
            fate = Fate.STORED if was_accepted and consent else Fate.FORBIDDEN
            seq = self._accepted[tab] if was_accepted else None
            self._accepted[tab] += was_accepted
            event = LoggedEvent(key, tab, int(key.rpartition("/")[2]), fate, seq, at)
            self.events.append(event)
            if was_accepted:
                self._unacknowledged[tab].append(event)
                self._since_worker_end.append(event)

    def get_last_unacknowledged_seq(self, tab: str) -> int:
        """Return the highest seq of the tab that no worker has acknowledged; -1 where all are."""
        return max((event.seq for event in self._unacknowledged[tab] if event.seq is not None), default=-1)

    def acknowledge(self, tab: str, seq: int, at: float) -> None:
        """Note that a worker has acknowledged the tab's events up to this one."""
        events = self._unacknowledged[tab]
        acknowledged = [event for event in events if event.seq is not None and event.seq <= seq]
        for event in acknowledged:
            event.acknowledged_at = at
        self._unacknowledged[tab] = events[len(acknowledged) :]

    def end_tab(self, tab: str) -> None:
        """Note that the tab has ended, in whichever way: its unacknowledged events may be lost."""
        for event in self._unacknowledged.pop(tab, []):
            self._relax(event)

    def exempt_config_gap(self, since: float, until: float) -> None:
        """Note that a worker had no configuration in this time: it had to drop the events that it got."""
        for event in self.events:
            received_by = until if event.acknowledged_at is None else event.acknowledged_at
            if event.logged_at <= until and received_by >= since:
                self._relax(event)

    def withdraw_consent(self, stored: Collection[str], in_requests: Collection[str]) -> None:
        """Note that consent ended: only what is stored or in a request by now may be in the store."""
        for event in self.events:
            if event.key in in_requests:
                self._relax(event)
            elif event.key not in stored:
                event.fate = Fate.FORBIDDEN
        self._unacknowledged.clear()
        self._since_worker_end.clear()

    def end_worker(self, stored: Sequence[str]) -> None:
        """Note that a worker ends, or has just ended, and check the order of what is stored by now."""
        place = {key: number for number, key in enumerate(stored)}
        by_tab: dict[str, list[str]] = defaultdict(list)
        for event in self._since_worker_end:
            if event.key in place:
                by_tab[event.tab].append(event.key)
        for keys in by_tab.values():
            self._out_of_order += [
                f"{later} before {earlier}"
                for earlier, later in pairwise(keys)
                if place[later] < place[earlier]
            ]
        self._since_worker_end.clear()

    def get_required_keys(self) -> set[str]:
        """Return the keys of all events that must be stored."""
        return {event.key for event in self.events if event.fate is Fate.STORED}

    def compare(self, records: Iterable[Mapping[str, Any]]) -> Verdict:
        """Compare with all records of the store, in order of arrival."""
        records = list(records)
        keys = [get_event_key(dict(record)) for record in records]
        self.end_worker(keys)
        times = Counter((record["tab_id"], record["seq"]) for record in records if "tab_id" in record)
        duplicates = tuple(f"{tab_id}/{seq}" for (tab_id, seq), count in times.items() if count > 1)
        return Verdict(account(self.events, keys), duplicates, tuple(self._out_of_order))

    @staticmethod
    def _relax(event: LoggedEvent) -> None:
        if event.fate is Fate.STORED:
            event.fate = Fate.OPTIONAL
