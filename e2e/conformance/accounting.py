"""The accounting: what became of every event that a case logged, in Jepsen's words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Fate(Enum):
    """What has to become of an event.

    STORED: accepted, so it has to be stored. DROPPED: it must never be stored. EITHER: its tab or worker
    died before the flush; it may be stored, and counts as recovered then.
    """

    STORED = "stored"
    DROPPED = "dropped"
    OPTIONAL = "either"


@dataclass
class Event:
    """One event that a tab logged. `key` is its identity on the wire: `<tab>/<sequence number>`."""

    key: str
    tab: str
    sequence: int
    fate: Fate = Fate.STORED


def get_event_key(record: dict[str, Any]) -> str:
    """The key of a record: its params' componentViewId, else a name `<tab>/<number>`, else all of it."""
    params = record.get("params")
    if isinstance(params, dict) and "componentViewId" in params:
        return str(params["componentViewId"])
    name = record.get("event_name")
    return name if isinstance(name, str) and "/" in name else repr(record)


@dataclass(frozen=True)
class Accounting:
    """How many events came to each end; the lists name the ones that should not have.

    `unknown`: events of which nothing can be said, because the store was not read.
    """

    ok: int
    recovered: int
    dropped: int
    lost: tuple[str, ...]
    duplicated: tuple[str, ...]
    unexpected: tuple[str, ...]
    unknown: int = 0

    @property
    def balanced(self) -> bool:
        """Whether it is known that nothing was lost, duplicated or unexpected."""
        return not (self.lost or self.duplicated or self.unexpected or self.unknown)

    def __str__(self) -> str:
        if self.unknown:
            return f"{self.unknown} unknown: the store could not be read"
        counted = [f"{self.ok} ok"]
        counted += [f"{self.recovered} recovered"] if self.recovered else []
        counted += [f"{self.dropped} dropped as they had to be"] if self.dropped else []
        for word in ("lost", "duplicated", "unexpected"):
            keys: tuple[str, ...] = getattr(self, word)
            shown = ", ".join(keys[:5]) + (", …" if len(keys) > 5 else "")
            counted.append(f"{len(keys)} {word}" + (f" ({shown})" if keys else ""))
        return ", ".join(counted)


def account(logged: Iterable[Event], stored: Iterable[str] | None) -> Accounting:
    """Compare what was logged with what was stored (a key for every stored record, in any order).

    `stored` is None where the store could not be read.
    """
    events = {event.key: event for event in logged}
    if stored is None:
        return Accounting(0, 0, 0, (), (), (), unknown=len(events))
    times = Counter(stored)
    wanted = [event for event in events.values() if event.fate is Fate.STORED]
    optional = [event for event in events.values() if event.fate is Fate.OPTIONAL]
    unwanted = [event for event in events.values() if event.fate is Fate.DROPPED]
    unknown_keys = [key for key in times if key not in events]
    return Accounting(
        ok=sum(times[event.key] == 1 for event in wanted),
        recovered=sum(times[event.key] == 1 for event in optional),
        dropped=sum(event.key not in times for event in unwanted),
        lost=tuple(event.key for event in wanted if event.key not in times),
        duplicated=tuple(key for key, count in times.items() if count > 1),
        unexpected=tuple([event.key for event in unwanted if event.key in times] + unknown_keys),
    )
