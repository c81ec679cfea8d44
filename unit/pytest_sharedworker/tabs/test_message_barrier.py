"""The barrier in front of virtual time, with tabs and workers that only exist as their marks."""

from __future__ import annotations

from typing import cast

import pytest
from playwright.sync_api import Frame

from pytest_sharedworker.control.server import ControlServer
from pytest_sharedworker.control.session import ControlChannel, WorkerRegistry
from pytest_sharedworker.errors import WaitTimeoutError
from pytest_sharedworker.integration.event_loop_thread import LoopThread
from pytest_sharedworker.tabs.message_barrier import MessageBarrier, TabSnapshot
from pytest_sharedworker.tabs.pages import MarkedTab, Tabs, WorkerPort

URL = "http://127.0.0.1:1/w.js"


class FakeTabs:
    """Tabs whose every port belongs to the worker of the same number."""

    def __init__(self, *tabs: MarkedTab) -> None:
        self.tabs = list(tabs)

    def mark(self, mark: int) -> list[MarkedTab]:
        return self.tabs

    def get_ports(self) -> dict[str, WorkerPort]:
        frame = cast("Frame", None)
        return {port: WorkerPort(frame, URL, f"worker {port}") for tab in self.tabs for port in tab.ports}


@pytest.fixture
def registry(sharedworker_control: ControlServer) -> WorkerRegistry:
    return sharedworker_control.open_registry()


def make_barrier(tabs: FakeTabs, registry: WorkerRegistry, loop_thread: LoopThread) -> MessageBarrier:
    return MessageBarrier(cast("Tabs", tabs), registry, loop_thread, lambda: "The workers: …")


def clock(now_ms: float) -> dict[str, float | None]:
    return {"nowMs": now_ms, "nextDueMs": None}


def test_timeout_names_the_workers_whose_ports_are_unread(
    sharedworker_loop: LoopThread, registry: WorkerRegistry
) -> None:
    tabs = FakeTabs(MarkedTab("a", ["1", "2"], None), MarkedTab("b", ["1"], None))
    barrier = make_barrier(tabs, registry, sharedworker_loop)
    with pytest.raises(WaitTimeoutError) as error:
        barrier.wait(timeout=10)
    assert str(error.value) == (
        "waited 0.01 s for the workers to read what came on 3 of 3 ports: worker 'worker 1' (2 ports),"
        " worker 'worker 2'; does the worker set port.onmessage or call port.start()?\nThe workers: …"
    )


def test_clock_parameters_are_those_of_the_tabs_of_a_worker(
    sharedworker_loop: LoopThread, registry: WorkerRegistry
) -> None:
    channel = ControlChannel("id", "", URL, sharedworker_loop, registry.changes, marks={"1": 5, "2": 5})
    snapshot = TabSnapshot(
        [MarkedTab("a", ["0", "1", "2"], clock(7)), MarkedTab("b", ["3"], clock(8))], departures=2
    )
    expected = {"tabClocks": {"1": clock(7)}, "hasDepartures": True}
    assert snapshot.clock_params(channel) == expected
    assert snapshot.clock_params(channel) == expected
    channel.departures_sent = 2
    assert snapshot.clock_params(channel) == {**expected, "hasDepartures": False}


def test_documents_and_workers_that_went_are_departures(
    sharedworker_loop: LoopThread, registry: WorkerRegistry
) -> None:
    tabs = FakeTabs(MarkedTab("a", [], None), MarkedTab("b", [], clock(1)))
    barrier = make_barrier(tabs, registry, sharedworker_loop)
    first = barrier.wait()
    assert (first.departures, [tab.id for tab in first.tabs]) == (0, ["b"])
    channel = ControlChannel("id", "", URL, sharedworker_loop, registry.changes)
    registry.channels.append(channel)
    tabs.tabs.pop()
    channel.ended = True
    assert barrier.wait().departures == 2


def test_ports_of_ended_workers_are_not_waited_for(
    sharedworker_loop: LoopThread, registry: WorkerRegistry
) -> None:
    channel = ControlChannel("id", "", URL, sharedworker_loop, registry.changes, marks={"1": 0})
    channel.ended = True
    registry.channels.append(channel)
    tabs = FakeTabs(MarkedTab("a", ["1"], None))
    assert make_barrier(tabs, registry, sharedworker_loop).wait(timeout=10).tabs == []
