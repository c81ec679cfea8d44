"""The control channel to one worker, and the registry of the workers of one test.

Requests of a worker on virtual time carry numbers, by which the gateway can suspend them until some virtual
time, which the clock itself brings about.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from aiohttp import WSMsgType, web

from pytest_sharedworker.control.announced_requests import AnnouncedRequest, AnnouncedRequests
from pytest_sharedworker.control.messages import ConsoleMessage, WorkerActivity, WorkerError
from pytest_sharedworker.control.socket_counts import SocketCounts
from pytest_sharedworker.control.state_notifier import StateNotifier
from pytest_sharedworker.control.titles import describe_worker
from pytest_sharedworker.errors import EvaluationError, WorkerClosedError
from pytest_sharedworker.integration.event_loop_thread import LoopThread

DEFAULT_TIMEOUT_MS = 30_000.0

_OVERDUE_POLL_SECONDS = 1.0

RequestFilter: TypeAlias = Callable[[str, str], bool]
"""Whether a request is meant, by its method and its whole URL."""


def _now() -> datetime:
    return datetime.now(timezone.utc)


@dataclass
class ControlChannel:
    """The plugin's end of the control channel to one worker, from its start to its end."""

    id: str
    name: str
    url: str
    loop_thread: LoopThread
    changes: StateNotifier
    host: str = ""
    """Host and port of its origin, by default those of the URL; of the gateway for a data: URL."""
    started_monotonic: float = field(default_factory=time.monotonic)
    started_at: datetime = field(default_factory=_now)
    clock_skew: timedelta = timedelta()
    """What to add to the browser's date to get this machine's."""

    console: list[ConsoleMessage] = field(default_factory=list)
    errors: list[WorkerError] = field(default_factory=list)
    activities: list[WorkerActivity] = field(default_factory=list)
    virtual_offset: float = 0.0
    """The ms of the test's virtual time at which the worker's virtual time began."""
    ports: set[str] = field(default_factory=set)
    """The ids of the ports that tabs have introduced to the worker."""
    script_ran_at: float | None = None
    """When its first task had ended, by the monotonic clock; it gets no port before."""
    connected_ports: int = 0
    """How many ports it has got that no tab has introduced, without those that it has passed on."""
    ready_ports: int = 0
    """How many of them it reads."""
    unread_ports: int = 0
    """How many of them it does not read."""
    has_passed_on_ports: bool = False
    """Whether it has given somebody else a port that no tab had introduced."""
    ignored_requests: list[RequestFilter] = field(default_factory=list)
    """Those that the worker's clock does not wait for."""

    def __post_init__(self) -> None:
        self.host = self.host or urlsplit(self.url).netloc
        self.requests = AnnouncedRequests()
        self._sockets: dict[int, SocketCounts] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self._resumed: set[int] = set()
        self._calls: dict[int, asyncio.Future[Any]] = {}
        self._call_numbers = itertools.count(1)
        self._delay_numbers = itertools.count(1)
        self._outgoing: asyncio.Queue[str] = asyncio.Queue()
        self.ended = False
        self.ended_at: datetime | None = None
        self.is_advancing = False
        """Whether its virtual clock is being moved."""
        self.departures_sent = 0
        """How many tabs and workers had gone when its clock was last moved."""
        self.connected = False
        """Whether it has opened its socket."""

    def call(
        self,
        method: str,
        params: dict[str, Any] | None = None,
        *,
        timeout: float = DEFAULT_TIMEOUT_MS,
    ) -> Any:
        """Call a method of the prologue and return its result (from any thread but the loop's).

        Raises EvaluationError where it throws, WorkerClosedError where the worker ends, WaitTimeoutError.
        """
        return self.loop_thread.run(
            self.call_async(method, params or {}),
            timeout_seconds=timeout / 1000,
            what=f"the {self} to reply to {method!r}",
        )

    async def call_async(self, method: str, params: dict[str, Any]) -> Any:
        """Call a method of the prologue, in the loop's thread. Raises EvaluationError, WorkerClosedError."""
        if self.ended:
            raise WorkerClosedError(f"the {self} has ended; {method!r} cannot reach it")
        number = next(self._call_numbers)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._calls[number] = future
        try:
            self.send(call=number, method=method, params=params)
            return await future
        finally:
            del self._calls[number]

    def send(self, **message: object) -> None:
        """Send a message to the worker (in the loop's thread); it is kept until the socket is open."""
        self._outgoing.put_nowait(json.dumps(message))

    async def catch_up(self) -> None:
        """Return when all that the worker has sent so far has come. Raises WorkerClosedError."""
        await self.call_async("echo", {})

    async def suspend(self, request: int, delay_ms: float | None) -> bool:
        """Suspend one of the worker's requests for `delay_ms` of its virtual time (None: without end).

        The worker's clock does not wait for it meanwhile. Returns False where the worker ended first.
        """
        self.send(method="suspend", params={"request": request, "delayMs": delay_ms})
        await self.changes.wait_until(lambda: request in self._resumed or self.ended)
        return not self.ended

    async def suspend_until(self, request: int, is_resumed: Callable[[], bool]) -> bool:
        """Suspend one of the worker's requests until `is_resumed()`, which `resume` checks again.

        The worker's clock does not wait for it meanwhile. Returns False where the worker ended or abandoned
        the request first.
        """
        if not is_resumed():
            self.send(method="suspend", params={"request": request, "delayMs": None})
            await self.changes.wait_until(lambda: is_resumed() or request in self._resumed or self.ended)
        return is_resumed() and not self.ended

    def resume(self, request: int) -> None:
        """Make the worker's clock wait again for a suspended request (in the loop's thread)."""
        self.send(method="resume", params={"request": request})
        self.changes.notify()

    @asynccontextmanager
    async def delay(self, delay_ms: float) -> AsyncIterator[None]:
        """Let `delay_ms` of the worker's virtual time pass; its clock waits for the block that follows."""
        number = -next(self._delay_numbers)
        self.send(method="delay", params={"request": number, "delayMs": delay_ms})
        try:
            await self.changes.wait_until(lambda: number in self._resumed or self.ended)
            yield
        finally:
            self.send(method="endDelay", params={"request": number})

    def ignore_requests(self, request_filter: RequestFilter) -> None:
        """Have the worker's clock not wait for requests, pending ones too (in the loop's thread)."""
        self.ignored_requests.append(request_filter)
        for request in self.requests:
            self._ignore(request)

    def _ignore(self, request: AnnouncedRequest) -> None:
        if request.number is not None and any(
            is_meant(request.method, request.url) for is_meant in self.ignored_requests
        ):
            self.send(method="ignore", params={"request": request.number})

    def expect_redirect(
        self, request: AnnouncedRequest, method: str, scheme: str, host: str, target: str
    ) -> None:
        """Expect the request that follows a redirect (in the loop's thread)."""
        self._ignore(self.requests.add_redirect(request, method, scheme, host, target))

    def _report_sent(self, number: int) -> None:
        """Tell the worker if the browser has not sent a request that it announced, and when it has."""
        request = self.requests.find(number)
        if request is not None and not request.is_taken:
            self.send(method="unsent", params={"request": number})
            request.on_taken = lambda: self.send(method="sent", params={"request": number})

    async def _report_overdue(self, number: int) -> None:
        """Tell the worker that a request has waited too long for its response, when it has."""
        while (request := self.requests.find_last(number)) is not None and not self.ended:
            left = request.is_overdue_at - time.monotonic()
            if left <= 0:
                break
            await asyncio.sleep(min(left, _OVERDUE_POLL_SECONDS))
        self.send(method="overdue", params={"request": number})

    def open_socket(self, number: int) -> SocketCounts:
        """Return the counts of messages of a WebSocket or EventSource that the worker opens."""
        counts = self._sockets[number] = SocketCounts(self.changes)
        return counts

    async def _settle_sockets(self, question: int, sent: dict[str, int]) -> None:
        """Wait until what the worker has sent has passed, and tell it what was passed on to it."""
        known = [number for number in sent if int(number) in self._sockets]
        waits = (self._sockets[int(number)].settle(sent[number]) for number in known)
        counts = dict(zip(known, await asyncio.gather(*waits), strict=True))
        self.send(method="sockets", params={"question": question, "counts": counts})

    def receive(self, message: dict[str, Any]) -> None:
        """Handle one message of the worker (in the loop's thread)."""
        event = message.get("event")
        if event == "console":
            self.console.append(ConsoleMessage(message["type"], message["text"], *self._times(message)))
        elif event == "error":
            self.errors.append(WorkerError(message["message"], message["stack"], *self._times(message)))
        elif event == "activity":
            self.activities.append(
                WorkerActivity(
                    message["kind"],
                    message["what"],
                    message["value"],
                    *self._times(message),
                    port=message["port"],
                )
            )
            return  # No wait is about these, and there may be thousands.
        elif event == "port":
            self.ports.add(message["port"])
        elif event == "scriptRan":
            self.script_ran_at = time.monotonic()
        elif event == "anonymousPorts":
            self.connected_ports = message["connected"]
            self.ready_ports, self.unread_ports = message["ready"], message["unread"]
            self.has_passed_on_ports = message["passedOn"] > 0
        elif event == "resume":
            self._resumed.add(message["request"])
        elif event == "request":
            self._ignore(self.requests.add(message))
        elif event == "isSent":
            self._report_sent(message["request"])
        elif event == "sockets":
            self._start(self._settle_sockets(message["question"], message["sent"]))
        elif event == "isOverdue":
            self._start(self._report_overdue(message["request"]))
        elif event == "requestEnd":
            self.requests.remove(message["request"])
        elif future := self._calls.get(message.get("call", 0)):
            if not future.done():
                if failure := message.get("error"):
                    future.set_exception(EvaluationError(failure["message"], failure["stack"]))
                else:
                    future.set_result(message["result"])
        self.changes.notify()

    def _start(self, answering: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(answering)
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    def _times(self, message: dict[str, Any]) -> tuple[datetime, float | None]:
        at = datetime.fromtimestamp(message["atMs"] / 1000, timezone.utc) + self.clock_skew
        at = max(at, self.started_at)  # Two clocks of one machine may still differ by a little.
        return at, message["virtualMs"]

    async def serve(self, socket: web.WebSocketResponse) -> None:
        """Send and receive messages until the worker ends."""
        self.connected = True
        self.ended = False
        writer = asyncio.create_task(self._write(socket))
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self.receive(json.loads(message.data))
        finally:
            writer.cancel()
            self.end()

    async def _write(self, socket: web.WebSocketResponse) -> None:
        while True:
            await socket.send_str(await self._outgoing.get())

    def end_unless_connected(self) -> None:
        """End the channel if the worker has never opened its socket."""
        if not self.connected:
            self.end()

    def end(self) -> None:
        """Note that the worker has ended; calls that wait for its reply raise WorkerClosedError."""
        if not self.ended:
            self.ended_at = _now()
            self.ended = True
        for future in self._calls.values():
            if not future.done():
                future.set_exception(WorkerClosedError(f"the {self} ended before it replied"))
        self.changes.notify()

    def __str__(self) -> str:
        return describe_worker(self.name, self.url)


@dataclass
class WorkerRegistry:
    """The workers of one test: those whose prologue carries its token."""

    token: str
    channels: list[ControlChannel] = field(default_factory=list)
    at_start: list[Callable[[ControlChannel], Awaitable[None]]] = field(default_factory=list)
    """Run in the loop's thread while a worker is held before its first line."""
    date_ms: float | None = None
    """The date of the test's virtual time, in ms since 1970; None until something reads or changes it."""
    ignored_requests: list[RequestFilter] = field(default_factory=list)
    """Requests that the clocks of workers do not wait for, also of those that start later."""

    elapsed_ms: float = 0.0
    """How much virtual time the test has let pass in all its workers."""

    changes: StateNotifier = field(default_factory=StateNotifier)

    def ignore_requests(self, request_filter: RequestFilter) -> None:
        """Have the clocks of all workers not wait for requests (in the loop's thread)."""
        self.ignored_requests.append(request_filter)
        for channel in self.channels:
            channel.ignore_requests(request_filter)

    def read_date_ms(self) -> float:
        """Return the date of the test's virtual time, which begins at the machine's date."""
        if self.date_ms is None:
            self.date_ms = time.time() * 1000
        return self.date_ms
