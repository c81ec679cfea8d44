"""Toxics that are in force: which exchanges they hit, how often, and which have hit none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from random import Random
from types import TracebackType

from pytest_sharedworker.errors import ToxicError
from pytest_sharedworker.gateway.exchange import Exchange
from pytest_sharedworker.gateway.patterns import EVERYTHING, Origin, Pattern, URLMatch
from pytest_sharedworker.gateway.toxics.base import Stream, Toxic
from pytest_sharedworker.gateway.transfer import Transfer


@dataclass(eq=False)
class AppliedToxic:
    """A toxic in force, until it is removed or used up; `hits` counts the exchanges that it hit.

    A context manager: the toxic is removed at the end of the `with` block.
    """

    toxic: Toxic
    pattern: Pattern
    stream: Stream
    times: int | None
    toxicity: float
    random: Random
    optional: bool
    on_remove: Callable[[AppliedToxic], None]
    hits: int = 0
    worker_started: bool = False
    is_removed: bool = False

    def take(self, exchange: Exchange) -> bool:
        """Return whether this exchange is hit, and count it if so."""
        if self.refuses_everything or not self.pattern.matches(exchange.method, exchange.url):
            return False
        if self.times is not None and self.hits >= self.times:
            return False
        if self.random.random() >= self.toxicity:
            return False
        self.hits += 1
        return True

    @property
    def refuses_everything(self) -> bool:
        """Whether the toxic takes the whole origin rather than single exchanges."""
        return self.toxic.refuses_connections(worker_started=True)

    @property
    def refuses_connections(self) -> bool:
        """Whether the origin refuses connections now."""
        return self.toxic.refuses_connections(worker_started=self.worker_started)

    def remove(self) -> None:
        """End this toxic. Exchanges that it delays already stay delayed. Idempotent."""
        self.on_remove(self)

    def __enter__(self) -> AppliedToxic:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def __str__(self) -> str:
        return str(self.toxic)


class AppliedToxics:
    """The toxics of one gateway. `on_remove` is called after one was removed."""

    def __init__(self, origin: Origin, on_remove: Callable[[AppliedToxic], None]) -> None:
        self._origin = origin
        self._on_remove = on_remove
        self._applied: list[AppliedToxic] = []
        self._all: list[AppliedToxic] = []

    def add(
        self,
        toxic: Toxic,
        *,
        on: URLMatch = EVERYTHING,
        stream: Stream | None = None,
        times: int | None = None,
        toxicity: float = 1.0,
        seed: int | None = None,
        optional: bool = False,
    ) -> AppliedToxic:
        """Put a toxic into force. Raise ToxicError, or GatewayError for a pattern that cannot match."""
        if not isinstance(toxic, Toxic):
            raise ToxicError(_explain_wrong_toxic(toxic))
        if stream not in (None, *toxic.streams):
            raise ToxicError(
                f"the toxic {toxic.name!r} works {' or '.join(toxic.streams)} only, not {stream!r}"
            )
        takes_all = toxic.refuses_connections(worker_started=True)
        if takes_all and (on != EVERYTHING or times is not None or toxicity != 1):
            raise ToxicError(
                f"the toxic {toxic.name!r} takes the whole origin: it has no on, times or toxicity"
            )
        if isinstance(toxicity, bool) or not isinstance(toxicity, (int, float)) or not 0 <= toxicity <= 1:
            raise ToxicError(f"toxicity must be between 0 and 1, not {toxicity!r}")
        if times is not None and (isinstance(times, bool) or not isinstance(times, int) or times < 1):
            raise ToxicError(f"times must be 1 or more, not {times!r}")
        pattern = self._origin.compile(on)
        applied = AppliedToxic(
            toxic, pattern, stream or toxic.streams[0], times, toxicity, Random(seed), optional, self._remove
        )
        self._applied.append(applied)
        self._all.append(applied)
        return applied

    @property
    def in_force(self) -> list[AppliedToxic]:
        """The toxics in force, oldest first."""
        return list(self._applied)

    def _remove(self, applied: AppliedToxic) -> None:
        applied.is_removed = True
        if applied in self._applied:
            self._applied.remove(applied)
            self._on_remove(applied)

    def take(self, exchange: Exchange) -> list[AppliedToxic]:
        """Return the toxics that hit an exchange, oldest first, and count it."""
        return [applied for applied in list(self._applied) if applied.take(exchange)]

    def note_worker_start(self) -> None:
        """Note that a worker starts."""
        for applied in self._applied:
            applied.worker_started = True

    @property
    def refuse_connections(self) -> bool:
        """Whether the origin refuses connections now."""
        return any(applied.refuses_connections for applied in list(self._applied))

    @property
    def unused(self) -> list[AppliedToxic]:
        """The toxics, removed ones too, that hit no exchange although they should."""
        return [each for each in self._all if not (each.hits or each.optional or each.refuses_everything)]


def need_whole(applied: list[AppliedToxic]) -> bool:
    """Return whether one of these toxics needs the server's response to its end."""
    return any(each.toxic.needs_whole_response and each.stream == "downstream" for each in applied)


def plan_transfer(applied: list[AppliedToxic]) -> Transfer:
    """Return how a response's body is sent under these toxics."""
    transfer = Transfer()
    for each in applied:
        each.toxic.shape(transfer)
    return transfer


def _explain_wrong_toxic(value: object) -> str:
    classes = {kind.__name__: kind for kind in Toxic.kinds.values()}
    if isinstance(value, type) and issubclass(value, Toxic):
        return f"add_toxic takes a toxic with its attributes, such as {value.__name__}(...), not its class"
    hint = ""
    if isinstance(value, str):
        words = {name.lower(): name for name in classes} | {n: k.__name__ for n, k in Toxic.kinds.items()}
        near = get_close_matches(value.lower(), words, n=1)
        hint = f"; did you mean {words[near[0]]}(...)?" if near else ""
    return f"add_toxic takes one of {', '.join(sorted(classes))}, not {value!r}{hint}"
