"""One clock for all SharedWorkers of a test."""

from __future__ import annotations

import asyncio
import math
import time as real_time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime

from pytest_sharedworker.clock.base import (
    DEFAULT_TIMEOUT,
    STATE_TIMEOUT,
    Clock,
    ClockKind,
    Ticks,
    Timer,
    parse_ticks,
    parse_time,
    to_date,
    unsupported,
)
from pytest_sharedworker.clock.devtools import DevToolsClock
from pytest_sharedworker.clock.moves import ClockMoves
from pytest_sharedworker.clock.real import RealClock
from pytest_sharedworker.clock.virtual import VirtualClock, advancing, require_idle, wait_for_messages
from pytest_sharedworker.control.session import ControlChannel, RequestFilter, WorkerRegistry
from pytest_sharedworker.errors import WorkerClosedError
from pytest_sharedworker.gateway.patterns import URLMatch
from pytest_sharedworker.integration.event_loop_thread import LoopThread
from pytest_sharedworker.tabs.message_barrier import MessageBarrier, TabSnapshot

_RESOLUTIONS: dict[ClockKind, float] = {
    clock.kind: clock.resolution for clock in (RealClock, VirtualClock, DevToolsClock)
}


class SharedClock:
    """The clock of all SharedWorkers of a test; each method acts on every worker that is alive.

    Its `now` counts from the test's start. A worker that starts later starts at the date of this clock.
    """

    def __init__(
        self,
        kind: ClockKind,
        clocks: Callable[[], Sequence[Clock]],
        *,
        registry: WorkerRegistry,
        barrier: MessageBarrier,
        loop_thread: LoopThread,
        make_filter: Callable[[URLMatch], RequestFilter],
        on_moved: Callable[[], None],
        moves: ClockMoves,
    ) -> None:
        """Move the clocks that `clocks` returns, those of the workers that are alive.

        `make_filter` compiles a pattern of requests. Call `on_moved` after each move, in the test's thread;
        note in `moves` that it begins.
        """
        self.kind: ClockKind = kind
        self.resolution = _RESOLUTIONS[kind]
        self._clocks = clocks
        self._registry = registry
        self._barrier = barrier
        self._loop_thread = loop_thread
        self._real = RealClock(real_time.monotonic())
        self._make_filter = make_filter
        self._on_moved = on_moved
        self._moves = moves
        self._now = 0.0

    @property
    def now(self) -> float:
        """Milliseconds since the test's start: virtual ones, on the real clock real ones."""
        return self._real.now if self.kind == "real" else self._now

    @property
    def date(self) -> datetime:
        """The current date of this clock, at which the next worker starts (aware, UTC)."""
        return to_date(self._registry.read_date_ms()) if self.kind == "virtual" else self._real.date

    @property
    def pending_timers(self) -> list[Timer]:
        """The pending timers of all workers, in the order in which they fire, due on this clock's `now`."""
        timers = []
        for clock in self._clocks():
            with suppress(WorkerClosedError):
                offset = self.now - clock.now
                timers += [Timer(timer.due + offset, timer.interval) for timer in clock.pending_timers]
        return sorted(timers, key=lambda timer: timer.due)

    def run_for(self, ticks: Ticks, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Let time pass in every worker and fire every timer that becomes due, in order over all workers.

        Workers whose timers are due at the same time run side by side. Raise ClockError as a worker's own
        clock does.
        """
        duration = parse_ticks(ticks)
        self._moves.add(f"worker_clock.run_for({duration:_})", self.now)
        if self.kind == "virtual":
            self._run_all_for(duration, timeout)
        else:
            for clock in self._clocks():
                clock.run_for(duration, timeout=timeout)
        self._count(duration)

    def fast_forward(self, ticks: Ticks, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Jump ahead in every worker and fire each timer that is due at most once.

        Raise ClockError as `run_for` does, UnsupportedError on the real and the DevTools clock.
        """
        duration = parse_ticks(ticks)
        self._moves.add(f"worker_clock.fast_forward({duration:_})", self.now)
        self._require_virtual("fast_forward", "its time cannot jump")
        move = self._begin_move(timeout)
        self._call_all(move, "fastForward", duration, real_time.monotonic() + timeout / 1000)
        self._count(duration)

    def run_next(self, *, timeout: float = DEFAULT_TIMEOUT) -> bool:
        """Move all workers to the next timer of any of them; return False if no timer is pending."""
        self.settle(timeout=timeout)
        timers = self.pending_timers
        if timers:
            self.run_for(max(0.0, timers[0].due - self.now), timeout=timeout)
        return bool(timers)

    def settle(self, *, timeout: float = DEFAULT_TIMEOUT) -> None:
        """Wait until messages are read and started work has ended, without letting time pass."""
        if self.kind == "virtual":
            self._run_all_for(0, timeout)
        else:
            for clock in self._clocks():
                clock.settle(timeout=timeout)

    def set_system_time(self, time: float | str | datetime) -> None:
        """Change the date that all workers read, those that start later too; no timer fires."""
        milliseconds = parse_time(time)
        self._moves.add(f"worker_clock.set_system_time({to_date(milliseconds).isoformat()})", self.now)
        self._require_virtual("set_system_time", "its date is the machine's")
        for clock in self._clocks():
            with suppress(WorkerClosedError):
                clock.set_system_time(milliseconds)
        self._registry.date_ms = milliseconds

    def ignore_requests(self, url: URLMatch) -> None:
        """Do not wait for requests that match `url`, of any worker, also of those that start later.

        Raise GatewayError as a worker's own clock does, UnsupportedError on the DevTools clock.
        """
        if self.kind == "devtools":
            raise unsupported(self.kind, "ignore_requests", "Chromium itself waits for requests")
        request_filter = self._make_filter(url)
        self._loop_thread.loop.call_soon_threadsafe(self._registry.ignore_requests, request_filter)

    def state(self, *, timeout: float = STATE_TIMEOUT) -> dict[str, object]:
        """Return `kind` and `now`; the workers' own clocks tell more."""
        return {"kind": self.kind, "now": self.now}

    def _require_virtual(self, method: str, reason: str) -> None:
        if self.kind != "virtual":
            raise unsupported(self.kind, method, reason)

    def _count(self, duration: float) -> None:
        if self.kind != "real":
            self._now += duration
            self._registry.elapsed_ms = self._now
            self._registry.date_ms = self._registry.read_date_ms() + duration
        self._on_moved()

    def _run_all_for(self, duration: int, timeout: float) -> None:
        """Let time pass in all workers; where several have timers, from one due time to the next."""
        deadline = real_time.monotonic() + timeout / 1000
        move = self._begin_move(timeout)
        if len(move.channels) > 1:
            ends = self._call_all(replace(move, is_part=True), "runFor", 0, deadline)
            while duration and sum(end.delay_ms <= duration for end in ends) > 1:
                step = max(1, math.ceil(min(end.delay_ms for end in ends)))
                if step >= duration:
                    break
                move = self._continue_move(move, ends, deadline)
                ends = self._call_all(replace(move, is_part=True), "runFor", step, deadline)
                duration -= step
            move = self._continue_move(move, ends, deadline)
        self._call_all(move, "runFor", duration, deadline)

    def _begin_move(self, timeout: float) -> _Move:
        require_idle(self._registry.channels)
        snapshot = wait_for_messages(self._barrier, timeout)
        return _Move([channel for channel in self._registry.channels if not channel.ended], snapshot, timeout)

    def _continue_move(self, move: _Move, ends: Sequence[_End], deadline: float) -> _Move:
        """Return the next part of a move: the clocks of virtual tabs have moved with the part before.

        A worker knows the clocks of its own tabs, has read what they posted to it, and returns what they
        posted to other workers. To read the tabs takes long beside a step of time, and is only necessary
        where one has connected to a worker meanwhile.
        """
        posted: dict[str, int] = {}
        for end in ends:
            for port, count in end.posted.items():
                posted[port] = max(count, posted.get(port, 0))
        if move.snapshot.has_ports(posted):
            return replace(move, posted=posted)
        left = max(0.0, deadline - real_time.monotonic()) * 1000
        return replace(move, snapshot=wait_for_messages(self._barrier, left), posted=None)

    def _call_all(self, move: _Move, method: str, milliseconds: int, deadline: float) -> list[_End]:
        """Move the clocks of all workers; return how each has ended."""
        with advancing(move.channels, move.timeout):
            return self._loop_thread.run(
                _call_all(move, method, milliseconds),
                timeout_seconds=max(0.001, deadline - real_time.monotonic()),
                what=f"the clocks of {len(move.channels)} workers to finish",
            )


@dataclass(frozen=True)
class _Move:
    """The workers whose clocks are moved together, and the tabs as they were before."""

    channels: Sequence[ControlChannel]
    snapshot: TabSnapshot
    timeout: float
    is_part: bool = False
    """Whether another part follows: tabs that have nothing to do stay behind."""
    posted: Mapping[str, int] | None = None
    """What tabs of several workers have posted, by port; None in the first part, which has read the tabs."""

    def make_params(self, channel: ControlChannel) -> dict[str, object]:
        """Return what this worker's clock needs to know of the tabs."""
        if self.posted is None:
            return {**self.snapshot.clock_params(channel), "isPart": self.is_part}
        introduced = {port: count for port, count in self.posted.items() if port in channel.ports}
        posted = {"introduced": introduced, "anonymous": []} if introduced else None
        return {"posted": posted, "isPart": self.is_part}


@dataclass(frozen=True)
class _End:
    """How one worker has ended a part of a move."""

    delay_ms: float = math.inf
    """How long after it the worker has its next event."""
    posted: Mapping[str, int] = field(default_factory=dict)
    """What its tabs of several workers have posted, by port."""


async def _call_all(move: _Move, method: str, milliseconds: int) -> list[_End]:
    async def call(channel: ControlChannel) -> _End:
        params = {"ms": milliseconds, **move.make_params(channel)}
        channel.departures_sent = move.snapshot.departures
        try:
            result = await channel.call_async(method, params)
        except WorkerClosedError:  # A worker may end because of what its timers do.
            return _End()
        next_due = result["nextDueMs"]
        delay_ms = math.inf if next_due is None else float(next_due) - float(result["nowMs"])
        return _End(delay_ms, result["posted"])

    return list(await asyncio.gather(*map(call, move.channels)))
