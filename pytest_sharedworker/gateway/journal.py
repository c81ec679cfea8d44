"""The journal: every exchange that passed the gateway, as bytes and times.

Cases assert on it, not on what the server or the worker say of themselves.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

from pytest_sharedworker.errors import WaitTimeoutError
from pytest_sharedworker.gateway.exchange import Exchange, Sender
from pytest_sharedworker.gateway.har import har
from pytest_sharedworker.gateway.patterns import Pattern

DEFAULT_TIMEOUT_SECONDS = 10.0
TAIL_EXCHANGES = 12


class Journal:
    """The exchanges of one gateway, oldest first. Safe to use from any thread."""

    def __init__(self) -> None:
        self._exchanges: list[Exchange] = []
        self._changed = threading.Condition()
        self._origin = time.perf_counter()
        self.started_at = datetime.now(timezone.utc)
        """The date at which `seconds` counts from."""
        self.explain: Callable[[], str] = lambda: ""
        """Returns what else to show when a wait fails, for example a worker's console."""
        self.describe_worker: Callable[[str], str] = lambda worker_id: f"worker {worker_id}"
        """Returns the title of the worker with this id, for people."""

    def seconds(self) -> float:
        """Real seconds since the gateway's start."""
        return time.perf_counter() - self._origin

    def add(self, exchange: Exchange) -> None:
        """Append an exchange (the gateway's business)."""
        with self._changed:
            self._exchanges.append(exchange)
            self._changed.notify_all()

    def update(self) -> None:
        """Tell waiters that an exchange has changed (the gateway's business)."""
        with self._changed:
            self._changed.notify_all()

    def __iter__(self) -> Iterator[Exchange]:
        return iter(self.exchanges)

    def __len__(self) -> int:
        return len(self.exchanges)

    @property
    def exchanges(self) -> list[Exchange]:
        """A copy of all exchanges so far."""
        with self._changed:
            return list(self._exchanges)

    def select(
        self, pattern: str = "*", *, sender: Sender | None = None, worker_id: str | None = None
    ) -> list[Exchange]:
        """All exchanges of a pattern (see Pattern), and of a sender or one worker where given."""
        wanted = Pattern.parse(pattern)
        return [
            exchange
            for exchange in self.exchanges
            if wanted.matches(exchange.method, exchange.path)
            and sender in (None, exchange.sender)
            and worker_id in (None, exchange.worker_id)
        ]

    def wait_for(
        self,
        pattern: str = "*",
        *,
        count: int = 1,
        ended: bool = True,
        timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    ) -> list[Exchange]:
        """Wait until `count` exchanges of a pattern are there (and have ended) and return them all.

        Raises WaitTimeoutError, which shows what was seen instead.
        """

        def found() -> list[Exchange]:
            return [each for each in self.select(pattern) if each.ended or not ended]

        deadline = time.monotonic() + timeout_seconds
        with self._changed:
            while len(seen := found()) < count:
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
        if len(seen) >= count:
            return seen
        raise WaitTimeoutError(
            f"waited {timeout_seconds:g} s for {count} of {pattern!r}, saw {len(seen)}.\n"
            f"{self.tail()}\n{self.explain()}".rstrip()
        )

    def wait_for_end(self, exchange: Exchange, *, timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS) -> bool:
        """Wait until nothing more will happen to an exchange; returns whether that came in time."""
        with self._changed:
            return self._changed.wait_for(lambda: exchange.ended, timeout_seconds)

    def to_har(self, path: str | Path) -> Path:
        """Write the journal as an HTTP Archive (see har.py), its folder too, and return the path."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(har(self), indent=1), encoding="utf-8")
        return path

    def tail(self, exchanges: int = TAIL_EXCHANGES) -> str:
        """The last exchanges as text, a line each."""
        shown = self.exchanges[-exchanges:]
        lines = [f"The journal's last {len(shown)} of {len(self)} exchanges:", *map(str, shown)]
        return "\n  ".join(lines)
