"""The model: which events were logged, which outcome each must have, and which it had.

It knows no browser. The driver reports what was logged and what went wrong; the model knows the promises and
compares them with the store at the end.

- An event that was logged with consent is stored once. An acknowledgment without `durable: false` is a
  promise: from then on only an opt-out or an explicit "disabled" of the server may cost the event.
- An event may be stored or not where nothing was promised: its tab ended before a worker acknowledged it; the
  worker that acknowledged it as not durable ended; the worker had no configuration, because this profile has
  never read one; the server had disabled telemetry; somebody deleted the outbox while no worker had the event
  in memory.
- An event that was logged without consent is never stored. Neither is one that is queued when consent is
  withdrawn. One that is in a request at that moment cannot be called back: it may be stored or not.
- Events of one tab are stored in order, unless a worker ends, or loses its lock, between them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from e2e.conformance.accounting import Accounting, Event, Fate, account, get_event_key

SHOWN = 5
"""Number of events that a failure names."""

TAB_ENDED = "their tab ended before an acknowledgment"
NOT_DURABLE = "acknowledged as not durable, and the worker ended"
NO_CONFIGURATION = "the profile had no configuration"
DISABLED = "the server had disabled telemetry"
OUTBOX_DELETED = "the outbox was deleted while no worker had them in memory"
IN_REQUEST = "in a request when consent was withdrawn"


@dataclass
class LoggedEvent(Event):
    """An event: its number among the accepted ones of its tab, and when it was logged and acknowledged.

    `seq` is None where the client refused the event. Times are seconds on the gateway's clock.
    `optional_because`: why it need not be stored.
    """

    seq: int | None = None
    logged_at: float = 0.0
    acknowledged_at: float | None = None
    optional_because: str = ""


@dataclass(frozen=True)
class Verdict:
    """The result of a comparison: the accounting, identities stored twice, and events out of order."""

    accounting: Accounting
    duplicate_identities: tuple[str, ...]
    out_of_order: tuple[str, ...]
    optional: Mapping[str, int] = field(default_factory=dict)
    """By reason: the number of events that may be stored or not."""

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
        self._volatile: list[LoggedEvent] = []
        """Acknowledged, and in the memory of a worker only."""
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

    def acknowledge(self, tab: str, seq: int, at: float, durable_seq: int | None = None) -> None:
        """Note that a worker has acknowledged the tab's events up to `seq`.

        Up to `durable_seq` (None: all of them) they are on disk, the others in the worker's memory.
        """
        durable_seq = seq if durable_seq is None else durable_seq
        events = self._unacknowledged[tab]
        acknowledged = [event for event in events if event.seq is not None and event.seq <= seq]
        for event in acknowledged:
            event.acknowledged_at = at
        self._unacknowledged[tab] = events[len(acknowledged) :]
        self._volatile += acknowledged
        self._volatile = [
            event
            for event in self._volatile
            if event.tab != tab or event.seq is None or event.seq > durable_seq
        ]

    def end_tab(self, tab: str) -> None:
        """Note that the tab has ended, in whichever way: its unacknowledged events may be lost."""
        for event in self._unacknowledged.pop(tab, []):
            self._relax(event, TAB_ENDED)

    def exempt_gap(self, since: float, until: float, reason: str, tabs: Container[str]) -> None:
        """Note that the worker of these tabs had to drop the events that it got in this time."""
        for event in self.events:
            if event.tab not in tabs:
                continue
            received_by = until if event.acknowledged_at is None else event.acknowledged_at
            if event.logged_at <= until and received_by >= since:
                self._relax(event, reason)

    def exempt_unstored(self, stored: Collection[str], reason: str, tabs: Container[str]) -> None:
        """Note that a worker had to drop all events of these tabs that are not stored by now."""
        for event in self.events:
            if event.tab in tabs and event.key not in stored:
                self._relax(event, reason)

    def delete_outboxes(self, stored: Collection[str], is_in_memory: Callable[[LoggedEvent], bool]) -> None:
        """Note that all outboxes were deleted by somebody else.

        A worker writes again what it has in memory: that is in doubt until `confirm_outboxes`. The other
        acknowledged events may be lost.
        """
        for event in self.events:
            if event.acknowledged_at is None or event.key in stored:
                continue
            if is_in_memory(event):
                self._volatile.append(event)
            else:
                self._relax(event, OUTBOX_DELETED)

    def confirm_outboxes(self) -> None:
        """Note that the workers have written again what they had in memory."""
        self._volatile.clear()

    def withdraw_consent(self, stored: Collection[str], in_requests: Collection[str]) -> None:
        """Note that consent ended: only what is stored or in a request by now may be in the store."""
        for event in self.events:
            if event.key in in_requests:
                self._relax(event, IN_REQUEST)
            elif event.key not in stored:
                event.fate = Fate.FORBIDDEN
        self._unacknowledged.clear()
        self._volatile.clear()
        self._since_worker_end.clear()

    def check_order(self, stored: Sequence[str]) -> None:
        """Check the order of what is stored by now; later events are not compared with earlier ones."""
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

    def end_worker(self, stored: Sequence[str]) -> None:
        """Note that a worker ends, or has just ended: what it had in memory only is lost."""
        self.check_order(stored)
        if self._volatile:
            keys = set(stored)
            for event in self._volatile:
                if event.key not in keys:
                    self._relax(event, NOT_DURABLE)
            self._volatile.clear()

    def get_required_keys(self) -> set[str]:
        """Return the keys of all events that must be stored."""
        return {event.key for event in self.events if event.fate is Fate.STORED}

    def compare(self, records: Iterable[Mapping[str, Any]]) -> Verdict:
        """Compare with all records of the store, in order of arrival."""
        records = list(records)
        keys = [get_event_key(dict(record)) for record in records]
        self.check_order(keys)
        times = Counter((record["tab_id"], record["seq"]) for record in records if "tab_id" in record)
        duplicates = tuple(f"{tab_id}/{seq}" for (tab_id, seq), count in times.items() if count > 1)
        optional = Counter(event.optional_because for event in self.events if event.fate is Fate.OPTIONAL)
        return Verdict(account(self.events, keys), duplicates, tuple(self._out_of_order), optional)

    def _relax(self, event: LoggedEvent, reason: str) -> None:
        if event.fate is Fate.STORED:
            event.fate = Fate.OPTIONAL
            event.optional_because = reason
