"""The journal: every exchange that passed the gateway, as bytes and times.

Tests assert on it, not on what the server or the worker report of themselves.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import TypeVar, get_args

from pytest_sharedworker.errors import GatewayError, WaitTimeoutError
from pytest_sharedworker.gateway.exchange import Exchange, Sender
from pytest_sharedworker.gateway.patterns import EVERYTHING, Origin, URLMatch
from pytest_sharedworker.gateway.worker_support import NoWorkers, WorkerSupport

DEFAULT_TIMEOUT = 10_000.0
"""In ms."""
TAIL_EXCHANGES = 12

T = TypeVar("T")


class Journal:
    """The exchanges of one gateway, oldest first. Safe to use from any thread."""

    def __init__(self, origin: Origin, workers: WorkerSupport | None = None) -> None:
        self._origin = origin
        self._workers = workers or NoWorkers()
        self._exchanges: list[Exchange] = []
        self._changed = threading.Condition()
        self._started = time.perf_counter()
        self.started_at = datetime.now(timezone.utc)
        """The date from which `seconds` counts."""

    def seconds(self) -> float:
        """Return the real seconds since the gateway was made."""
        return time.perf_counter() - self._started

    def add(self, exchange: Exchange) -> None:
        """Append an exchange (for the gateway)."""
        with self._changed:
            self._exchanges.append(exchange)
            self._changed.notify_all()

    def update(self) -> None:
        """Wake the waits, because an exchange has changed (for the gateway)."""
        with self._changed:
            self._changed.notify_all()

    def __iter__(self) -> Iterator[Exchange]:
        return iter(self.exchanges)

    def __len__(self) -> int:
        return len(self._exchanges)

    @property
    def exchanges(self) -> list[Exchange]:
        """A copy of all exchanges so far."""
        with self._changed:
            return list(self._exchanges)

    def select(
        self, pattern: URLMatch = EVERYTHING, *, sender: Sender | None = None, worker_id: str | None = None
    ) -> list[Exchange]:
        """Return all exchanges of a pattern (see patterns.py), and of a sender or one worker where given.

        Raise GatewayError for a pattern, sender or worker id that cannot match.
        """
        wanted = self._origin.compile(pattern)
        if sender is not None and sender not in get_args(Sender):
            raise GatewayError(f"there is no sender {sender!r}: a sender is {' or '.join(get_args(Sender))}")
        if worker_id is not None and not isinstance(worker_id, str):
            raise GatewayError(f"worker_id is a text, such as worker.id, not {worker_id!r}")
        return [
            exchange
            for exchange in self.exchanges
            if wanted.matches(exchange.method, exchange.url)
            and sender in (None, exchange.sender)
            and worker_id in (None, exchange.worker_id)
        ]

    def wait_for(
        self,
        pattern: URLMatch = EVERYTHING,
        *,
        count: int = 1,
        ended: bool = True,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> list[Exchange]:
        """Wait until the test has had `count` exchanges of a pattern (that have ended), and return all.

        `timeout` is in ms. Raise WaitTimeoutError, which shows what was seen instead.
        """
        wanted = self._origin.compile(pattern)

        def find() -> list[Exchange]:
            exchanges = [each for each in self.exchanges if wanted.matches(each.method, each.url)]
            return [each for each in exchanges if each.ended or not ended]

        return self.wait_until(find, count, timeout, f"{count} of {str(wanted)!r}")

    def wait_until(
        self,
        find: Callable[[], list[T]],
        count: int,
        timeout: float,
        what: str,
        *,
        deadline: float | None = None,
    ) -> list[T]:
        """Wait up to `timeout` ms until `find` returns `count` exchanges or messages, and return them.

        `deadline` is the end of a wait that began before, as `time.monotonic` counts. Raise WaitTimeoutError,
        which shows what was seen instead.
        """
        if deadline is None:
            deadline = time.monotonic() + timeout / 1000
        with self._changed:
            while len(seen := find()) < count:
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
        if len(seen) >= count:
            return seen
        explanation = f"{self.tail()}\n{self._workers.explain()}".rstrip()
        raise WaitTimeoutError(f"waited {timeout:g} ms for {what}, saw {len(seen)}.\n{explanation}")

    def wait_for_end(self, exchange: Exchange, *, timeout: float = DEFAULT_TIMEOUT) -> bool:
        """Wait up to `timeout` ms until an exchange has ended; return whether it has."""
        with self._changed:
            return self._changed.wait_for(lambda: exchange.ended, timeout / 1000)

    def describe_worker(self, worker_id: str) -> str:
        """Return a worker's title for a person."""
        return self._workers.describe(worker_id)

    def tail(self, exchanges: int = TAIL_EXCHANGES) -> str:
        """Return the last exchanges as text, a line each."""
        shown = self.exchanges[-exchanges:]
        lines = [f"The journal's last {len(shown)} of {len(self)} exchanges:", *map(str, shown)]
        return "\n  ".join(lines)
