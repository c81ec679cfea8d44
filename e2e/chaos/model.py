"""The model: what was logged, what has to become of it, and whether it did.

It knows no browser. Whoever drives the real thing tells it what was logged and what went wrong; it knows
the promises, and at the end it compares.

- An event that was logged with consent is stored once. Of one whose tab died before the worker had
  acknowledged it nothing is promised: either is right.
- The same holds for an event that came to a worker which had not been told its configuration yet, because
  the request for it had failed: the protocol has it dropped.
- An event that was logged without consent is never stored; nor is one that was queued when consent was
  withdrawn. What was on the wire at that moment cannot be called back: either is right.
- Events of one tab are stored in order, as long as no worker ends between them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from e2e.conformance.accounting import Accounting, Event, Fate, account, get_event_key

SHOWN = 5


@dataclass
class Logged(Event):
    """One event: its place among those that its tab took, and when it was logged and acknowledged.

    `seq` is None where the client refused it. Times are seconds on the gateway's clock.
    """

    seq: int | None = None
    logged_at: float = 0.0
    acknowledged_at: float | None = None


@dataclass(frozen=True)
class Verdict:
    """How the books stand: the accounting, identities that were stored twice, and what came in disorder."""

    accounting: Accounting
    twins: tuple[str, ...]
    disordered: tuple[str, ...]

    @property
    def balanced(self) -> bool:
        """Whether every promise was kept."""
        return self.accounting.balanced and not self.twins and not self.disordered

    def __str__(self) -> str:
        told = [str(self.accounting)]
        told += [f"identities stored twice: {', '.join(self.twins[:SHOWN])}"] if self.twins else []
        told += [f"out of order: {', '.join(self.disordered[:SHOWN])}"] if self.disordered else []
        return "; ".join(told)


class DeliveryModel:
    """The books of one browser profile. Tabs are told by names that are never used again."""

    def __init__(self) -> None:
        self.events: list[Logged] = []
        self._by_tab: dict[str, list[Logged]] = defaultdict(list)
        self._open: dict[str, list[Logged]] = defaultdict(list)
        """By living tab: taken, not acknowledged."""
        self._era: list[Logged] = []
        """Logged since a worker last ended."""
        self._disordered: list[str] = []
        self._taken: Counter[str] = Counter()
        self._logged: Counter[str] = Counter()

    def next_keys(self, tab: str, count: int) -> list[str]:
        """Names for a tab's next events."""
        first = self._logged[tab]
        self._logged[tab] += count
        return [f"{tab}/{number}" for number in range(first, first + count)]

    def log(self, tab: str, keys: Sequence[str], taken: Sequence[bool], at: float, *, consent: bool) -> None:
        """Enter events, with what the client said to each and whether there was consent for them."""
        for key, was_taken in zip(keys, taken, strict=True):
            fate = Fate.STORED if was_taken and consent else Fate.DROPPED
            seq = self._taken[tab] if was_taken else None
            self._taken[tab] += was_taken
            event = Logged(key, tab, int(key.rpartition("/")[2]), fate, seq, at)
            self.events.append(event)
            self._by_tab[tab].append(event)
            if was_taken:
                self._open[tab].append(event)
                self._era.append(event)

    def awaited(self, tab: str) -> int:
        """The seq up to which the tab has yet to hear of its events; -1 where it has heard of all."""
        return max((event.seq for event in self._open[tab] if event.seq is not None), default=-1)

    def acknowledge(self, tab: str, seq: int, at: float) -> None:
        """The worker said that the tab's events up to this one are safe."""
        told = [event for event in self._open[tab] if event.seq is not None and event.seq <= seq]
        for event in told:
            event.acknowledged_at = at
        self._open[tab] = self._open[tab][len(told) :]

    def tab_died(self, tab: str) -> None:
        """The tab is gone, however it went, and with it what was not acknowledged."""
        for event in self._open.pop(tab, []):
            self._relax(event)

    def all_tabs_died(self) -> None:
        """The browser is gone."""
        for tab in list(self._open):
            self.tab_died(tab)

    def exempt_config_gap(self, since: float, until: float) -> None:
        """In this time a worker had to drop what it was told: it had failed to read its configuration."""
        for event in self.events:
            told_by = until if event.acknowledged_at is None else event.acknowledged_at
            if event.logged_at <= until and told_by >= since:
                self._relax(event)

    def consent_withdrawn(self, stored: Collection[str], on_the_wire: Collection[str]) -> None:
        """Consent ended: what is not stored by now must not be any more, but for what is on the wire."""
        for event in self.events:
            if event.key in on_the_wire:
                self._relax(event)
            elif event.key not in stored:
                event.fate = Fate.DROPPED
        self._open.clear()
        self._era.clear()

    def worker_ends(self, stored: Sequence[str]) -> None:
        """A worker is about to end, or has just ended: look at the order of what is stored by now."""
        place = {key: number for number, key in enumerate(stored)}
        by_tab: dict[str, list[str]] = defaultdict(list)
        for event in self._era:
            if event.key in place:
                by_tab[event.tab].append(event.key)
        for keys in by_tab.values():
            self._disordered += [
                f"{later} before {earlier}"
                for earlier, later in pairwise(keys)
                if place[later] < place[earlier]
            ]
        self._era.clear()

    def required(self) -> set[str]:
        """The keys of all that has to be stored."""
        return {event.key for event in self.events if event.fate is Fate.STORED}

    def close(self, records: Iterable[Mapping[str, Any]]) -> Verdict:
        """Compare with all records of the store, in order of arrival."""
        records = list(records)
        keys = [get_event_key(dict(record)) for record in records]
        self.worker_ends(keys)
        times = Counter((record["tab_id"], record["seq"]) for record in records if "tab_id" in record)
        twins = tuple(f"{tab_id}/{seq}" for (tab_id, seq), count in times.items() if count > 1)
        return Verdict(account(self.events, keys), twins, tuple(self._disordered))

    @staticmethod
    def _relax(event: Logged) -> None:
        if event.fate is Fate.STORED:
            event.fate = Fate.OPTIONAL
