"""The accounting: every event that a case logged against what the server stored, in Jepsen's terms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

SHOWN_KEYS = 5


class Fate(Enum):
    """What must happen to an event.

    STORED: it was accepted and must be stored. FORBIDDEN: it must never be stored. OPTIONAL: its tab or
    worker ended before the flush; it may be stored, and counts as recovered then.
    """

    STORED = "stored"
    FORBIDDEN = "forbidden"
    OPTIONAL = "optional"


@dataclass
class Event:
    """An event that a tab logged. `key` is its identity on the wire: `<tab>/<sequence number>`."""

    key: str
    tab: str
    sequence: int
    fate: Fate = Fate.STORED


def get_event_key(record: dict[str, Any]) -> str:
    """Return the record's componentViewId, else its name if that is `<tab>/<number>`, else its repr."""
    params = record.get("params")
    if isinstance(params, dict) and "componentViewId" in params:
        return str(params["componentViewId"])
    name = record.get("event_name")
    return name if isinstance(name, str) and "/" in name else repr(record)


@dataclass(frozen=True)
class Accounting:
    """How many events had each outcome; the tuples have the keys of events with a wrong outcome.

    `unknown`: number of events whose outcome is not known, because the store could not be read.
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
        """Whether no event is lost, duplicated, unexpected or unknown."""
        return not (self.lost or self.duplicated or self.unexpected or self.unknown)

    def __str__(self) -> str:
        if self.unknown:
            return f"{self.unknown} unknown: the store could not be read"
        parts = [f"{self.ok} ok"]
        parts += [f"{self.recovered} recovered"] if self.recovered else []
        parts += [f"{self.dropped} dropped as required"] if self.dropped else []
        for word in ("lost", "duplicated", "unexpected"):
            keys: tuple[str, ...] = getattr(self, word)
            shown = ", ".join(keys[:SHOWN_KEYS]) + (", …" if len(keys) > SHOWN_KEYS else "")
            parts.append(f"{len(keys)} {word}" + (f" ({shown})" if keys else ""))
        return ", ".join(parts)


def account(logged: Iterable[Event], stored: Iterable[str] | None) -> Accounting:
    """Compare the logged events with the stored records, given as one key for each record, in any order.

    `stored` is None if the store could not be read.
    """
    events = {event.key: event for event in logged}
    if stored is None:
        return Accounting(0, 0, 0, (), (), (), unknown=len(events))
    times = Counter(stored)
    required = [event for event in events.values() if event.fate is Fate.STORED]
    optional = [event for event in events.values() if event.fate is Fate.OPTIONAL]
    forbidden = [event for event in events.values() if event.fate is Fate.FORBIDDEN]
    unknown_keys = [key for key in times if key not in events]
    return Accounting(
        ok=sum(times[event.key] == 1 for event in required),
        recovered=sum(times[event.key] == 1 for event in optional),
        dropped=sum(event.key not in times for event in forbidden),
        lost=tuple(event.key for event in required if event.key not in times),
        duplicated=tuple(key for key, count in times.items() if count > 1),
        unexpected=tuple([event.key for event in forbidden if event.key in times] + unknown_keys),
    )
