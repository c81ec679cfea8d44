"""Wait until the workers have read what tabs posted before, so that time may move.

Messages of a tab arrive in order: once a worker has read a mark, it has read everything before the mark.
Needs a prologue.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count

from pytest_sharedworker.control.session import ControlChannel, WorkerRegistry
from pytest_sharedworker.errors import WaitTimeoutError
from pytest_sharedworker.integration.event_loop_thread import LoopThread
from pytest_sharedworker.tabs.pages import MarkedTab, Tabs, WorkerPort

DELIVERY_TIMEOUT_MS = 10_000.0
_RECHECK_SECONDS = 0.25
_ORPHAN_SECONDS = 2.0
"""How long a tab's new worker is waited for where others of its script and name have ended."""


@dataclass(frozen=True)
class TabSnapshot:
    """The tabs at the moment at which workers had read all that these posted.

    `tabs` are those on virtual time, oldest first; `departures` is how many documents and workers have gone
    since the test began.
    """

    tabs: list[MarkedTab]
    departures: int

    def clock_params(self, channel: ControlChannel) -> dict[str, object]:
        """Return what this worker's clock needs to know of the tabs before it moves."""
        clocks = {}
        for tab in self.tabs:
            own = [port for port in tab.ports if port in channel.marks]
            if own:
                clocks[own[0]] = tab.clock
        return {"tabClocks": clocks, "hasDepartures": self.departures > channel.departures_sent}


class MessageBarrier:
    """Marks on the ports of one test's tabs, and the wait until the workers have read them."""

    def __init__(
        self, tabs: Tabs, registry: WorkerRegistry, loop_thread: LoopThread, explain: Callable[[], str]
    ) -> None:
        """`explain` describes the workers, for the text of a failure."""
        self._tabs = tabs
        self._registry = registry
        self._loop_thread = loop_thread
        self._explain = explain
        self._marks = count(1)
        self._orphans: set[str] = set()
        self._documents: set[str] = set()
        self._departed_documents = 0

    def wait(self, *, timeout: float = DELIVERY_TIMEOUT_MS) -> TabSnapshot:
        """Wait until the workers have read all that the tabs posted before.

        `timeout` is in milliseconds. Raises WaitTimeoutError, which names the workers that have not.
        """
        mark = next(self._marks)
        tabs = self._tabs.mark(mark)
        marked = [port for tab in tabs for port in tab.ports]
        begin = time.monotonic()
        while unread := self._unread(marked, mark):
            expected = self._tabs.get_ports()
            waited_seconds = time.monotonic() - begin
            if waited_seconds > timeout / 1000:
                raise WaitTimeoutError(self._describe(timeout, unread, marked, expected))
            if waited_seconds > _ORPHAN_SECONDS:
                self._orphans.update(port for port in expected if self._is_orphan(port, expected))
            # Tabs that went away meanwhile, and workers that failed to start, read nothing any more.
            marked = [port for port in marked if port in expected]
        return TabSnapshot([tab for tab in tabs if tab.clock is not None], self._count_departures(tabs))

    def _describe(
        self, timeout: float, unread: list[str], marked: list[str], ports: dict[str, WorkerPort]
    ) -> str:
        workers = Counter(ports[port].label for port in unread if port in ports)
        names = ", ".join(f"{name} ({count} ports)" if count > 1 else name for name, count in workers.items())
        return (
            f"waited {timeout / 1000:g} s for the workers to read what came on {len(unread)} of"
            f" {len(marked)} ports: {names or 'of tabs that have gone'}; does the worker set port.onmessage"
            f" or call port.start()?\n{self._explain()}"
        )

    def _unread(self, marked: list[str], mark: int) -> list[str]:
        """Wait a moment for marks to be read; return the ports where they were not."""

        def unread() -> list[str]:
            return [port for port in marked if not self._has_read(port, mark)]

        with suppress(WaitTimeoutError):
            self._loop_thread.run(
                self._registry.changes.wait_until(lambda: not unread()), timeout_seconds=_RECHECK_SECONDS
            )
        return unread()

    def _has_read(self, port: str, mark: int) -> bool:
        # Where its worker has ended, no one reads this port any more.
        owners = [channel for channel in self._registry.channels if port in channel.marks]
        return port in self._orphans or any(owner.ended or owner.marks[port] >= mark for owner in owners)

    def _is_orphan(self, port: str, ports: dict[str, WorkerPort]) -> bool:
        """Return whether the port's worker ended before it read anything, as far as the plugin can see."""
        end = ports[port]
        same = [
            channel
            for channel in self._registry.channels
            if (channel.url, channel.name) == (end.url, end.name)
            # A worker that a tab of another context has reached is another one, also under the same name.
            and not any(ports[each].context is not end.context for each in channel.marks if each in ports)
        ]
        if any(port in channel.marks for channel in same) or not any(channel.ended for channel in same):
            return False
        # Ports of a tab are connected in order: a worker that has read a later one will not get this one.
        # Firefox passes a port to a worker that is just ending.
        order = list(ports)
        later = {each for each in order[order.index(port) :] if ports[each] == end}
        return all(channel.ended or later & channel.marks.keys() for channel in same)

    def _count_departures(self, tabs: list[MarkedTab]) -> int:
        """Return how many documents, as of now, and workers have gone."""
        documents = {tab.id for tab in tabs}
        self._departed_documents += len(self._documents - documents)
        self._documents = documents
        return self._departed_documents + sum(channel.ended for channel in self._registry.channels)
