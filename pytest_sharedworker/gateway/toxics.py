"""Toxics: what can go wrong between a worker and its server, by the names that Toxiproxy gave them.

| name | does | attributes |
|---|---|---|
| latency | delays | latency_ms, jitter_ms = 0 |
| timeout | lets nothing through, closes after timeout_ms (0: never) | timeout_ms = 0 |
| reset_peer | resets the connection (TCP RST) after timeout_ms | timeout_ms = 0 |
| limit_data | sends `bytes` of the answer, then resets | bytes |
| slicer | sends the answer in slices, delay_ms apart | average_size, delay_ms = 0 |
| bandwidth | sends the answer at rate_kib_per_second | rate_kib_per_second |
| slow_close | keeps the connection open for delay_ms after the answer | delay_ms |
| down | refuses connections to the whole origin | |

and two that Toxiproxy, which knows no HTTP, does not have:

| name | does | attributes |
|---|---|---|
| status | answers this status itself, the server never sees the request | status, headers = {}, body = "" |
| drop_response | lets the server take the request, then resets the connection before the answer | |

A WebSocket meets them at its handshake, `down` at any time.

`stream="upstream"` applies a latency, timeout or reset_peer before the server sees the request,
`"downstream"` after it took it. Milliseconds are the worker's: virtual where its clock is virtual.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import TracebackType
from typing import Any, Literal

from pytest_sharedworker.errors import ToxicError
from pytest_sharedworker.gateway.exchange import Exchange
from pytest_sharedworker.gateway.patterns import Pattern

Stream = Literal["upstream", "downstream"]

REQUIRED = object()


@dataclass(frozen=True)
class _Kind:
    stream: Stream
    attributes: Mapping[str, object] = field(default_factory=dict)
    both_streams: bool = False


KINDS: Mapping[str, _Kind] = {
    "latency": _Kind("downstream", {"latency_ms": REQUIRED, "jitter_ms": 0}, both_streams=True),
    "timeout": _Kind("upstream", {"timeout_ms": 0}, both_streams=True),
    "reset_peer": _Kind("upstream", {"timeout_ms": 0}, both_streams=True),
    "limit_data": _Kind("downstream", {"bytes": REQUIRED}),
    "slicer": _Kind("downstream", {"average_size": REQUIRED, "delay_ms": 0}),
    "bandwidth": _Kind("downstream", {"rate_kib_per_second": REQUIRED}),
    "slow_close": _Kind("downstream", {"delay_ms": REQUIRED}),
    "down": _Kind("upstream", {"at_worker_start": False}),
    "status": _Kind("upstream", {"status": REQUIRED, "headers": {}, "body": ""}),
    "drop_response": _Kind("downstream"),
}


_NUMBERS: Mapping[str, float] = {
    "latency_ms": 0, "jitter_ms": 0, "timeout_ms": 0, "delay_ms": 0, "bytes": 0,
    "average_size": 1, "rate_kib_per_second": 0.001, "status": 200,
}  # fmt: skip
"""Attributes that are numbers, with the least that each may be."""


@dataclass
class Toxic:
    """A fault that applies to the exchanges of a pattern until it is removed or used up.

    A context manager: it is removed at the end of the `with` block.
    """

    name: str
    pattern: Pattern
    stream: Stream
    attributes: dict[str, Any]
    times: int | None
    probability: float
    on_remove: Callable[[Toxic], None]
    applied: int = 0
    random: random.Random = field(default_factory=random.Random)

    def take(self, exchange: Exchange) -> bool:
        """Whether this exchange is hit; counts it if so."""
        if not self.pattern.matches(exchange.method, exchange.path):
            return False
        if self.times is not None and self.applied >= self.times:
            return False
        if self.random.random() >= self.probability:
            return False
        self.applied += 1
        return True

    def remove(self) -> None:
        """End this toxic. Exchanges that it holds already stay held."""
        self.on_remove(self)

    def __enter__(self) -> Toxic:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def __str__(self) -> str:
        defaults = KINDS[self.name].attributes
        shown = [f" {key}={value!r}" for key, value in self.attributes.items() if value != defaults[key]]
        return self.name + "".join(shown)


def _check_values(name: str, attributes: Mapping[str, Any]) -> None:
    for key, value in attributes.items():
        if key not in _NUMBERS:
            continue
        least = _NUMBERS[key]
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= least:
            raise ToxicError(
                f"the toxic {name!r} needs a number of at least {least:g} as {key}, not {value!r}"
            )


def make_toxic(
    name: str,
    *,
    on: str,
    on_remove: Callable[[Toxic], None],
    stream: Stream | None = None,
    times: int | None = None,
    probability: float = 1.0,
    seed: int | None = None,
    **attributes: Any,
) -> Toxic:
    """Check what was asked for and make the toxic; raises ToxicError that says what there is."""
    kind = KINDS.get(name)
    if kind is None:
        near = get_close_matches(name, KINDS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ToxicError(f"there is no toxic {name!r}; {hint}There are: {', '.join(KINDS)}")
    unknown = attributes.keys() - kind.attributes.keys()
    if unknown:
        known = ", ".join(kind.attributes) or "none"
        raise ToxicError(f"the toxic {name!r} has no attribute {', '.join(sorted(unknown))}; it has: {known}")
    whole = {**kind.attributes, **attributes}
    missing = [key for key, value in whole.items() if value is REQUIRED]
    if missing:
        raise ToxicError(f"the toxic {name!r} needs {', '.join(missing)}")
    if stream not in (None, kind.stream) and not (kind.both_streams and stream in ("upstream", "downstream")):
        raise ToxicError(f"the toxic {name!r} works {kind.stream} only, not {stream!r}")
    _check_values(name, whole)
    if name == "down" and (on != "*" or times is not None or probability != 1):
        raise ToxicError("the toxic 'down' takes the whole origin: it has no on, times or probability")
    if not 0 <= probability <= 1:
        raise ToxicError(f"a probability lies between 0 and 1, not at {probability!r}")
    if times is not None and times < 1:
        raise ToxicError(f"times has to be 1 or more, not {times!r}")
    return Toxic(
        name, Pattern.parse(on), stream or kind.stream, whole, times, probability, on_remove,
        random=random.Random(seed),
    )  # fmt: skip
