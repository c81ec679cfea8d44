"""Find out what tabs have posted to their workers, so that time moves only after the workers have read it.

A tab counts what its page posts on a port; a worker with a prologue counts what it reads (`ports.js`).
To compare the two, the tab introduces its port to the worker by one message, which the prologue takes out.
This happens only where the page has posted something to a worker that has a prologue, and when the worker
reads the port: it may pass an unread one on to somebody without a prologue, who would read the message.
Where the page has posted nothing, the worker still has to handle `connect` before time moves.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from playwright.sync_api import BrowserContext

from pytest_sharedworker.control.session import ControlChannel, WorkerRegistry
from pytest_sharedworker.errors import WaitTimeoutError, WorkerClosedError
from pytest_sharedworker.integration.event_loop_thread import LoopThread
from pytest_sharedworker.tabs.pages import TabPort, Tabs, TabState

DELIVERY_TIMEOUT_MS = 10_000.0
_RECHECK_SECONDS = 0.25
_INTRODUCTION_SECONDS = 1.0
"""How long a worker may take to get a port and to read its introduction, once its script has run.

Later the port's messages are counted without an introduction.
"""
_REQUEST_TIME = timedelta(seconds=1)
"""How long after a port's creation the browser may request the worker's script.

It requests none from the gateway for a blob's worker, and none at all where it passes the port to a worker
that is just ending.
"""


@dataclass(frozen=True)
class TabSnapshot:
    """What the tabs have posted, at one moment.

    `tabs` are those on virtual time, oldest first; `departures` is how many documents and workers have gone
    since the test began; `posted` counts the messages for each channel, by its id, as `ports.untilRead` takes
    them.
    """

    tabs: list[TabState]
    departures: int
    posted: Mapping[str, Mapping[str, object]]

    def clock_params(self, channel: ControlChannel) -> dict[str, object]:
        """Return what this worker's clock needs to know of the tabs before it moves."""
        clocks = {}
        for tab in self.tabs:
            own = [port.id for port in tab.ports if port.id in channel.ports]
            if own and tab.clock is not None:
                clocks[own[0]] = {**tab.clock, "hasOtherPorts": len(own) > 1}
        return {
            "tabClocks": clocks,
            "hasDepartures": self.departures > channel.departures_sent,
            "posted": self.posted.get(channel.id),
        }

    def has_ports(self, ids: Iterable[str]) -> bool:
        """Return whether the tabs on virtual time had all these ports when they were read."""
        return {port.id for tab in self.tabs for port in tab.ports}.issuperset(ids)


class MessageBarrier:
    """Counts the messages of one test's tabs for the workers that have to read them."""

    def __init__(
        self,
        tabs: Tabs,
        registry: WorkerRegistry,
        loop_thread: LoopThread,
        *,
        count_requests: Callable[[str, datetime], int],
        is_same_script: Callable[[str, str], bool],
        explain: Callable[[], str],
    ) -> None:
        """`count_requests`: how often browsers have requested a URL as a worker's script since then;
        `is_same_script`: whether two URLs are those of one script.

        `explain` describes the workers, for the text of a failure.
        """
        self._tabs = tabs
        self._registry = registry
        self._loop_thread = loop_thread
        self._count_requests = count_requests
        self._is_same_script = is_same_script
        self._explain = explain
        self._introduced: set[str] = set()
        self._late: set[str] = set()
        """Ports that a worker did not get or read for so long that it is not waited for any more."""
        self._skipped: set[str] = set()
        """Ports that no worker of a known script, or none at all, has been introduced to, or may be."""
        self._counted: set[str] = set()
        """Closed ports without an introduction that were waited for once."""
        self._documents: set[str] = set()
        self._departed_documents = 0

    def wait(self, *, timeout: float = DELIVERY_TIMEOUT_MS) -> TabSnapshot:
        """Wait until it is known which worker has to read what, and return it.

        `timeout` is in milliseconds. Raise WaitTimeoutError, which names the workers that did not start.
        """
        begin = time.monotonic()
        tabs = self._tabs.read()
        missing = self._introduce(tabs, 0)
        while missing:
            waited_seconds = time.monotonic() - begin
            if waited_seconds > timeout / 1000:
                raise WaitTimeoutError(self._describe(timeout, missing))
            self._wait_for_introductions(missing, tabs)
            # Tabs may have gone meanwhile, and workers may have failed to start.
            tabs = self._tabs.read()
            missing = self._introduce(tabs, waited_seconds)
        posted = {channel.id: self._count_posted(channel, tabs) for channel in self._registry.channels}
        self._counted.update(port.id for tab in tabs for port in tab.ports if port.is_closed)
        virtual = [tab for tab in tabs if tab.clock is not None]
        return TabSnapshot(virtual, self._count_departures(tabs), posted)

    def wait_until_read(self, *, timeout: float = DELIVERY_TIMEOUT_MS) -> None:
        """Wait until the workers have read what the tabs posted before. Raise WaitTimeoutError."""
        deadline = time.monotonic() + timeout / 1000
        posted = self.wait(timeout=timeout).posted
        for channel in list(self._registry.channels):
            if not channel.ended:
                with suppress(WorkerClosedError):
                    left = max(1.0, (deadline - time.monotonic()) * 1000)
                    channel.call("untilRead", dict(posted[channel.id]), timeout=left)

    def is_in(self, channel: ControlChannel, context: BrowserContext) -> bool:
        """Return whether a worker belongs to a context; False as long as that is not known."""
        tabs = self._tabs.read()
        ports = [(tab, port) for tab in tabs for port in tab.ports if self._is_same_worker(port, channel)]
        if {port.context for _, port in ports} == {context}:
            return True
        for tab, port in ports:
            if port.id not in self._introduced and not port.is_closed and self._is_ready(port, tabs):
                self._introduced.add(port.id)
                tab.introduce([port.id])
        return any(self._tabs.contexts.get(port) is context for port in channel.ports)

    def _introduce(self, tabs: list[TabState], waited_seconds: float) -> list[TabPort]:
        """Introduce ports to their workers; return those whose worker is still to be waited for."""
        missing = []
        for tab in tabs:
            new = []
            for port in tab.ports:
                if port.id in self._skipped or self._get_owner(port) is not None:
                    continue
                candidates = self._get_candidates(port)
                if not candidates:
                    is_awaited = self._is_worker_starting(port)
                elif port.is_closed or any(channel.has_passed_on_ports for channel in candidates):
                    # No introduction reaches the worker any more, or one may reach somebody else.
                    is_awaited = False
                elif port.id in self._introduced:
                    is_awaited = _is_in_time(candidates, waited_seconds)
                elif _has_messages(port, tabs) and self._is_ready(port, tabs):
                    new.append(port.id)
                    is_awaited = True
                elif port.id in self._late or self._is_settled(port, tabs):
                    continue
                elif _is_in_time(candidates, waited_seconds):
                    is_awaited = True
                else:
                    self._late.add(port.id)
                    continue
                if is_awaited:
                    missing.append(port)
                else:
                    self._skipped.add(port.id)
            if new:
                self._introduced.update(new)
                tab.introduce(new)
        return missing

    def _is_ready(self, port: TabPort, tabs: list[TabState]) -> bool:
        """Return whether the worker is known to read a port without an introduction."""
        ready = [channel.ready_ports for channel in self._get_candidates(port)]
        return bool(ready) and sum(ready) >= self._count_anonymous(port, tabs)

    def _is_settled(self, port: TabPort, tabs: list[TabState]) -> bool:
        """Return whether the worker has got the port, and has told whether it reads what is on its way."""
        candidates = self._get_candidates(port)
        if _has_messages(port, tabs):
            known = [channel.ready_ports + channel.unread_ports for channel in candidates]
        else:
            known = [channel.connected_ports for channel in candidates]
        return bool(known) and sum(known) >= self._count_anonymous(port, tabs)

    def _count_anonymous(self, port: TabPort, tabs: list[TabState]) -> int:
        """Return how many ports without an introduction the tabs have to the worker of this one."""
        return sum(
            each.name == port.name
            and each.context is port.context
            and self._is_same_script(each.url, port.url)
            and self._get_owner(each) is None
            for tab in tabs
            for each in tab.ports
        )

    def _is_worker_starting(self, port: TabPort) -> bool:
        """Return whether a port without a worker may still get one."""
        if datetime.now(timezone.utc) - port.created_at < _REQUEST_TIME:
            return True
        started = [
            self._is_same_script(each.url, port.url) and each.started_at >= port.created_at
            for each in self._registry.channels
        ]
        return self._count_requests(port.url, port.created_at) > sum(started)

    def _wait_for_introductions(self, missing: list[TabPort], tabs: list[TabState]) -> None:
        """Wait a moment for workers to start and to read introductions."""

        def is_changed() -> bool:
            return all(self._get_owner(port) is not None for port in missing) or any(
                port.id not in self._introduced and self._is_settled(port, tabs) for port in missing
            )

        with suppress(WaitTimeoutError):
            self._loop_thread.run(
                self._registry.changes.wait_until(is_changed), timeout_seconds=_RECHECK_SECONDS
            )

    def _is_same_worker(self, port: TabPort, channel: ControlChannel) -> bool:
        return channel.name == port.name and self._is_same_script(channel.url, port.url)

    def _get_owner(self, port: TabPort) -> ControlChannel | None:
        """Return the worker that a port was introduced to."""
        return next((each for each in self._registry.channels if port.id in each.ports), None)

    def _get_candidates(self, port: TabPort) -> list[ControlChannel]:
        """Return the workers that may be at the other end of a port without an introduction."""
        contexts = self._tabs.contexts
        return [
            channel
            for channel in self._registry.channels
            if self._is_same_worker(port, channel)
            and not channel.ended
            # A worker that a tab of another context has reached is another one, also under the same name.
            and all(contexts.get(each, port.context) is port.context for each in channel.ports)
        ]

    def _count_posted(self, channel: ControlChannel, tabs: list[TabState]) -> dict[str, object]:
        introduced: dict[str, int] = {}
        anonymous: list[int] = []
        for port in (port for tab in tabs for port in tab.ports if port.posted):
            if port.id in channel.ports:
                introduced[port.id] = port.posted
            elif port.id not in self._counted and self._get_owner(port) is None:
                if channel in self._get_candidates(port):
                    anonymous.append(port.posted)
        return {"introduced": introduced, "anonymous": anonymous}

    def _describe(self, timeout: float, missing: list[TabPort]) -> str:
        workers = Counter(port.label for port in missing)
        names = ", ".join(f"{name} ({count} ports)" if count > 1 else name for name, count in workers.items())
        return (
            f"waited {timeout / 1000:g} s for the start of {names}, to which tabs are connected"
            f"\n{self._explain()}"
        )

    def _count_departures(self, tabs: list[TabState]) -> int:
        """Return how many documents, as of now, and workers have gone."""
        documents = {tab.id for tab in tabs}
        self._departed_documents += len(self._documents - documents)
        self._documents = documents
        return self._departed_documents + sum(channel.ended for channel in self._registry.channels)


def _is_in_time(candidates: list[ControlChannel], waited_seconds: float) -> bool:
    """Return whether one of these workers may still get or read a port that was waited for so long."""
    now = time.monotonic()
    ran_at = [now if each.script_ran_at is None else each.script_ran_at for each in candidates]
    return min(waited_seconds, now - max(ran_at)) <= _INTRODUCTION_SECONDS


def _has_messages(port: TabPort, tabs: list[TabState]) -> bool:
    """Return whether a worker has to read something on a port: of the page, or of a tab on virtual time."""
    return port.posted > 0 or any(tab.clock is not None and port in tab.ports for tab in tabs)
