"""The journal: every exchange that passed the gateway, as bytes and times.

Cases assert on it, not on what the server or the worker say of themselves.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from fnmatch import fnmatchcase
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal

from multidict import CIMultiDict

from pytest_sharedworker.errors import SharedWorkerError, WaitTimeout
from pytest_sharedworker.gateway.content_encoding import unpacked
from pytest_sharedworker.gateway.har import har

Sender = Literal["tab", "worker", "unknown"]

DEFAULT_TIMEOUT_SECONDS = 10.0
TAIL_EXCHANGES = 12
_SHOWN_BYTES = 160


@dataclass(frozen=True)
class SocketMessage:
    """A message on a WebSocket: who sent it, text or bytes, and when (as `started_seconds` counts)."""

    sender: Sender | Literal["server"]
    data: str | bytes
    seconds: float


@dataclass
class Exchange:
    """One request and what became of it.

    `started_seconds`, `received_seconds` (the whole request is there), `answered_seconds` (the answer
    begins) and `ended_seconds` count from the gateway's start (real time);
    `virtual_seconds` is the sender's virtual time when it asked, where it has a virtual clock;
    `paused_seconds` is how long toxics kept the exchange, in the sender's time.
    `status` and `answer` are what was sent back to the browser (`status` None: no answer, or not yet);
    `upstream_status` and `upstream_answer` are what the server said, also where a toxic lost it.
    `cut` tells how the gateway ended the connection where it did; `route` what a route did.
    `messages` are those of a WebSocket (`status` 101), which ends when the WebSocket does.
    """

    number: int
    method: str
    url: str
    path: str
    request_headers: CIMultiDict[str]
    body: bytes
    sender: Sender
    worker_id: str | None
    request_number: int | None
    virtual_seconds: float | None
    started_at: datetime
    started_seconds: float
    received_seconds: float | None = None
    answered_seconds: float | None = None
    paused_seconds: float = 0.0
    ended_seconds: float | None = None
    status: int | None = None
    response_headers: CIMultiDict[str] = field(default_factory=CIMultiDict)
    answer: bytes = b""
    upstream_status: int | None = None
    upstream_answer: bytes = b""
    toxics: list[str] = field(default_factory=list)
    cut: Literal["reset", "closed"] | None = None
    route: str | None = None
    messages: list[SocketMessage] = field(default_factory=list)

    @property
    def content(self) -> bytes:
        """The request's body without the coding it travelled in (gzip, deflate)."""
        return unpacked(self.body, self.request_headers)

    def json(self) -> Any:
        """The request's content as JSON; raises ValueError where it is none."""
        return json.loads(self.content)

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to this exchange."""
        return self.ended_seconds is not None

    @property
    def reason(self) -> str:
        """The phrase that belongs to `status`, "" for none."""
        try:
            return HTTPStatus(self.status or 0).phrase
        except ValueError:
            return ""

    @property
    def request_text(self) -> str:
        """The method, the path and the beginning of the body."""
        return f"{self.method} {self.path}" + (f" {_shown(self.content)}" if self.body else "")

    @property
    def outcome_text(self) -> str:
        """The status and the beginning of the answer, or that there is none; in brackets what interfered."""
        outcome = "no answer" if self.ended else "under way"
        if self.status is not None:
            outcome = f"{self.status} {_shown(self.answer)}" if self.path_is_data else str(self.status)
        if self.messages:
            outcome = f"{outcome} {len(self.messages)} messages, last {self._last_message}"
        causes = [*self.toxics, *([f"route: {self.route}"] if self.route else [])]
        return outcome.rstrip() + (f" [{', '.join(causes)}]" if causes else "")

    @property
    def _last_message(self) -> str:
        last = self.messages[-1]
        return f"{last.sender}: {_shown(last.data if isinstance(last.data, bytes) else last.data.encode())}"

    def __str__(self) -> str:
        when = f"{self.started_seconds:8.3f} s"
        virtual = "" if self.virtual_seconds is None else f" (worker {self.virtual_seconds:.3f} s)"
        return f"#{self.number} {when} {self.sender}{virtual} {self.request_text} → {self.outcome_text}"

    @property
    def path_is_data(self) -> bool:
        """Whether the answer is worth showing in a line: not a script, a page or an image."""
        kind = self.response_headers.get("Content-Type", "")
        return not any(word in kind for word in ("javascript", "html", "css", "image"))


def _shown(body: bytes) -> str:
    text = body[:_SHOWN_BYTES].decode("utf-8", "backslashreplace").replace("\n", "\\n")
    return text + (f"… ({len(body)} bytes)" if len(body) > _SHOWN_BYTES else "")


@dataclass(frozen=True)
class Pattern:
    """`"POST **/ui-telemetry"`, `"**/api/*"` or `"*"`: a method (optional) and a glob on the path.

    `*` and `**` both match any characters, slashes too; the query counts only where the glob has a `?`.
    """

    method: str | None
    glob: str

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Read a pattern; raises SharedWorkerError where there is none in `text`."""
        words = text.split()
        if not 1 <= len(words) <= 2:
            raise SharedWorkerError(
                f"{text!r} is no pattern: write a glob on the path, with a method before it if you like,"
                ' as in "POST **/api/*"'
            )
        return cls(words[0].upper() if len(words) == 2 else None, words[-1])

    def matches(self, method: str, path: str) -> bool:
        """Whether a request of this method and path (with or without query) is meant."""
        if self.method is not None and self.method != method:
            return False
        subject = path if "?" in self.glob else path.partition("?")[0]
        return fnmatchcase(subject, self.glob)


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

        Raises WaitTimeout, which shows what was seen instead.
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
        raise WaitTimeout(
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
