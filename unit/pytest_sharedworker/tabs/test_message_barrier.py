"""The barrier in front of virtual time, with tabs and workers that exist as states of their ports alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import cast

import pytest
from playwright.sync_api import BrowserContext, Frame

from pytest_sharedworker.control.server import ControlServer
from pytest_sharedworker.control.session import ControlChannel, WorkerRegistry
from pytest_sharedworker.errors import WaitTimeoutError
from pytest_sharedworker.integration.event_loop_thread import LoopThread
from pytest_sharedworker.tabs.message_barrier import MessageBarrier, TabSnapshot
from pytest_sharedworker.tabs.pages import TabPort, Tabs, TabState

URL = "http://127.0.0.1:1/w.js"
CONTEXT = cast("BrowserContext", object())
OTHER_CONTEXT = cast("BrowserContext", object())

MakeChannel = Callable[..., ControlChannel]
MakeBarrier = Callable[..., MessageBarrier]


class FakeFrame:
    """A document that only notes which ports it was asked to introduce."""

    def __init__(self) -> None:
        self.introduced: list[str] = []

    def evaluate(self, expression: str, ports: list[str]) -> None:
        self.introduced += ports


class FakeTabs:
    """The tabs that a test lists."""

    def __init__(self, *tabs: TabState) -> None:
        self.tabs = list(tabs)
        self.contexts = {port.id: port.context for tab in tabs for port in tab.ports}

    def read(self) -> list[TabState]:
        return self.tabs


def make_port(
    port: str,
    *,
    posted: int = 0,
    is_closed: bool = False,
    age: timedelta = timedelta(minutes=1),
    context: BrowserContext = CONTEXT,
) -> TabPort:
    return TabPort(port, URL, "", posted, datetime.now(timezone.utc) - age, is_closed, context)


def make_tab(tab: str, *ports: TabPort, clock: dict[str, float | None] | None = None) -> TabState:
    return TabState(tab, list(ports), clock, cast("Frame", FakeFrame()))


def get_introduced(tab: TabState) -> list[str]:
    return cast("FakeFrame", tab.frame).introduced


@pytest.fixture
def registry(sharedworker_control: ControlServer) -> WorkerRegistry:
    return sharedworker_control.open_registry()


@pytest.fixture
def make_channel(sharedworker_loop: LoopThread, registry: WorkerRegistry) -> MakeChannel:
    def make(channel: str, *ports: str, ended: bool = False) -> ControlChannel:
        made = ControlChannel(channel, "", URL, sharedworker_loop, registry.changes, ports=set(ports))
        made.ended = ended
        made.script_ran_at = 0.0
        registry.channels.append(made)
        return made

    return make


@pytest.fixture
def make_barrier(sharedworker_loop: LoopThread, registry: WorkerRegistry) -> MakeBarrier:
    def make(*tabs: TabState, requests: int = 0) -> MessageBarrier:
        return MessageBarrier(
            cast("Tabs", FakeTabs(*tabs)),
            registry,
            sharedworker_loop,
            count_requests=lambda url, since: requests,
            is_same_script=lambda url, other: url == other,
            explain=lambda: "The workers: …",
        )

    return make


def clock(now_ms: float) -> dict[str, float | None]:
    return {"nowMs": now_ms, "nextDueMs": None}


def test_timeout_names_the_workers_that_do_not_start(make_barrier: MakeBarrier) -> None:
    barrier = make_barrier(make_tab("a", make_port("1"), make_port("2")), requests=1)
    with pytest.raises(WaitTimeoutError) as error:
        barrier.wait(timeout=10)
    assert str(error.value) == (
        f"waited 0.01 s for the start of worker {URL!r} (2 ports), to which tabs are connected\n"
        "The workers: …"
    )


def test_new_port_is_waited_for_until_its_script_is_requested(make_barrier: MakeBarrier) -> None:
    with pytest.raises(WaitTimeoutError):
        make_barrier(make_tab("a", make_port("1", age=timedelta()))).wait(timeout=10)


def test_old_port_without_a_request_for_its_script_is_not_waited_for(make_barrier: MakeBarrier) -> None:
    assert make_barrier(make_tab("a", make_port("1", posted=1))).wait(timeout=10).posted == {}


def test_port_of_an_ended_worker_is_not_waited_for(
    make_barrier: MakeBarrier, make_channel: MakeChannel
) -> None:
    make_channel("old", "1", ended=True)
    assert make_barrier(make_tab("a", make_port("1", posted=1)), requests=1).wait(timeout=10).tabs == []


def test_port_without_messages_is_not_introduced(
    make_barrier: MakeBarrier, make_channel: MakeChannel
) -> None:
    channel = make_channel("worker")
    channel.connected_ports = channel.ready_ports = 1
    tab = make_tab("a", make_port("1"))
    assert make_barrier(tab).wait(timeout=10).posted == {"worker": {"introduced": {}, "anonymous": []}}
    assert get_introduced(tab) == []


def test_port_is_waited_for_until_the_worker_has_got_it(
    make_barrier: MakeBarrier, make_channel: MakeChannel
) -> None:
    channel = make_channel("worker")
    barrier = make_barrier(make_tab("a", make_port("1"), make_port("2")))
    channel.connected_ports = 1
    with pytest.raises(WaitTimeoutError):
        barrier.wait(timeout=10)
    channel.connected_ports = 2
    barrier.wait(timeout=10)
    # The worker's script goes on for a while.
    channel.connected_ports, channel.script_ran_at = 1, None
    with pytest.raises(WaitTimeoutError):
        barrier.wait(timeout=1_500)
    channel.script_ran_at = 0.0
    # A port that went to a worker that was just ending never comes.
    barrier.wait()


def test_port_with_messages_is_introduced_once(make_barrier: MakeBarrier, make_channel: MakeChannel) -> None:
    make_channel("worker").ready_ports = 2
    tab = make_tab("a", make_port("1", posted=3), make_port("2"))
    barrier = make_barrier(tab)
    assert barrier.wait().posted == {"worker": {"introduced": {}, "anonymous": [3]}}
    assert barrier.wait().posted == {"worker": {"introduced": {}, "anonymous": [3]}}
    assert get_introduced(tab) == ["1"]


@pytest.mark.parametrize("ready", [0, 1])
@pytest.mark.parametrize("unread", [0, 1])
def test_port_is_introduced_when_the_worker_reads_its_ports(
    make_barrier: MakeBarrier, make_channel: MakeChannel, ready: int, unread: int
) -> None:
    channel = make_channel("worker")
    tab = make_tab("a", make_port("1", posted=3), make_port("2"))
    barrier = make_barrier(tab)
    # One of the two may be passed on, and nobody knows which.
    channel.ready_ports, channel.unread_ports = ready, unread
    assert barrier.wait().posted == {"worker": {"introduced": {}, "anonymous": [3]}}
    assert get_introduced(tab) == []
    channel.ready_ports, channel.unread_ports = 2, 0
    barrier.wait()
    assert get_introduced(tab) == ["1"]


def test_messages_are_counted_for_the_worker_of_the_port(
    make_barrier: MakeBarrier, make_channel: MakeChannel
) -> None:
    make_channel("one", "1", "2")
    make_channel("two", "3")
    tab = make_tab("a", make_port("1", posted=3), make_port("2", posted=1), make_port("3", posted=2))
    assert make_barrier(tab).wait().posted == {
        "one": {"introduced": {"1": 3, "2": 1}, "anonymous": []},
        "two": {"introduced": {"3": 2}, "anonymous": []},
    }


def test_closed_port_without_introduction_is_counted_once(
    make_barrier: MakeBarrier, make_channel: MakeChannel
) -> None:
    make_channel("worker")
    barrier = make_barrier(make_tab("a", make_port("1", posted=3, is_closed=True)))
    assert barrier.wait().posted["worker"] == {"introduced": {}, "anonymous": [3]}
    assert barrier.wait().posted["worker"] == {"introduced": {}, "anonymous": []}


def test_worker_of_another_context_is_no_candidate(
    make_barrier: MakeBarrier, make_channel: MakeChannel
) -> None:
    make_channel("theirs", "1")
    tabs = (
        make_tab("a", make_port("1", context=OTHER_CONTEXT)),
        make_tab("b", make_port("2", posted=1)),
    )
    assert make_barrier(*tabs).wait().posted == {"theirs": {"introduced": {}, "anonymous": []}}


def test_clock_parameters_are_those_of_the_tabs_of_a_worker(make_channel: MakeChannel) -> None:
    channel = make_channel("worker", "1", "2")
    first = make_tab("a", make_port("0"), make_port("1"), make_port("2"), clock=clock(7))
    snapshot = TabSnapshot([first, make_tab("b", make_port("3"), clock=clock(8))], 2, {})
    clocks = {"1": {**clock(7), "hasOtherPorts": True}}
    expected = {"tabClocks": clocks, "hasDepartures": True, "posted": None}
    assert snapshot.clock_params(channel) == expected
    assert snapshot.clock_params(channel) == expected
    channel.departures_sent = 2
    assert snapshot.clock_params(channel) == {**expected, "hasDepartures": False}


def test_snapshot_has_the_ports_of_its_tabs() -> None:
    tabs = [make_tab("a", make_port("1"), make_port("2")), make_tab("b", make_port("3"))]
    snapshot = TabSnapshot(tabs, 0, {})
    assert snapshot.has_ports([])
    assert snapshot.has_ports(["3", "1"])
    assert not snapshot.has_ports(["3", "4"])


def test_documents_and_workers_that_went_are_departures(
    make_barrier: MakeBarrier, make_channel: MakeChannel
) -> None:
    tabs = FakeTabs(make_tab("a"), make_tab("b", clock=clock(1)))
    barrier = make_barrier()
    barrier._tabs = cast("Tabs", tabs)
    first = barrier.wait()
    assert (first.departures, [tab.id for tab in first.tabs]) == (0, ["b"])
    make_channel("worker", ended=True)
    tabs.tabs.pop()
    assert barrier.wait().departures == 2
