"""`worker_clock`: one virtual clock for all workers of a test, those that start later too."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

import pytest

from e2e.plugin.app import ECHO, App, read_log
from pytest_sharedworker import Clock, ClockError, SharedWorker, Timeout, Timer
from pytest_sharedworker.tabs.pages import Tabs, TabState

DAY_MS = 86_400_000
TOLERANCE = timedelta(minutes=1)
"""Dates start at the machine's, which passes in real time."""

POSTING = f"{ECHO} self.addEventListener('connect', ({{ ports: [port] }}) => {{ self.port ??= port; }});"
"""A worker that posts on the port of its first tab."""


@pytest.fixture
def workers(app: App) -> list[SharedWorker]:
    """Start two workers."""
    return [app.start(path=path) for path in ("/first.js", "/second.js")]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[list[TabState]]:
    """Return what the clock has read of the tabs, each time."""
    reads: list[list[TabState]] = []
    read = Tabs.read

    def note(tabs: Tabs) -> list[TabState]:
        reads.append(read(tabs))
        return reads[-1]

    monkeypatch.setattr(Tabs, "read", note)
    return reads


def read_logs(workers: Sequence[SharedWorker]) -> list[object]:
    """Return the logs of all workers."""
    return [read_log(worker) for worker in workers]


def test_worker_clock_is_the_clock_of_shared_workers(app: App, worker_clock: Clock) -> None:
    assert worker_clock is app.workers.clock
    assert (worker_clock.kind, worker_clock.now, worker_clock.resolution) == ("virtual", 0, 1)


def test_run_for_fires_every_due_timer(workers: list[SharedWorker], worker_clock: Clock) -> None:
    for worker in workers:
        worker.evaluate("() => { setInterval(note, 1000, 'tick'); }")
    worker_clock.run_for(3_000)
    assert read_logs(workers) == [[["tick", 1_000], ["tick", 2_000], ["tick", 3_000]]] * 2
    assert [worker.clock.now for worker in workers] == [3_000, 3_000]


def test_run_for_keeps_the_order_of_all_workers(
    app: App, workers: list[SharedWorker], worker_clock: Clock
) -> None:
    first, second = workers
    app.gateway.serve("/event", body="")
    # The first worker is slower: it fires 150 timers before its request.
    first.evaluate("() => { for (let ms = 0; ms < 150; ms++) setTimeout(() => {}, ms); }")
    first.evaluate("() => { setTimeout(() => fetch('/event?first=150'), 150); }")
    second.evaluate("() => { setTimeout(() => fetch('/event?second=190'), 190); }")
    first.evaluate("() => { setTimeout(() => fetch('/event?first=191'), 191); }")
    worker_clock.run_for(200)
    exchanges = app.gateway.journal.select("/event?*")
    assert [(each.path.partition("?")[2], each.virtual_time) for each in exchanges] == [
        ("first=150", 150),
        ("second=190", 190),
        ("first=191", 191),
    ]
    assert [worker.clock.now for worker in workers] == [200, 200]


@pytest.mark.virtual_tabs
def test_virtual_tabs_keep_the_order_of_all_workers(
    app: App, workers: list[SharedWorker], worker_clock: Clock
) -> None:
    page = app.context.pages[0]
    page.evaluate(
        """() => {
        for (const ms of [100, 300]) setTimeout(() => worker.port.postMessage(`tab ${ms}`), ms);
    }"""
    )
    workers[0].evaluate("() => { setTimeout(note, 200, 'timer'); }")
    workers[1].evaluate("() => { setInterval(note, 150, 'tick'); }")
    worker_clock.run_for(350)
    assert read_logs(workers) == [
        [["tab 100", 100], ["timer", 200], ["tab 300", 300]],
        [["tick", 150], ["tick", 300]],
    ]


@pytest.mark.virtual_tabs
def test_timer_that_a_tab_sets_at_a_message_is_on_time(app: App, worker_clock: Clock) -> None:
    worker = app.start(POSTING)
    app.context.pages[0].evaluate("""() => {
        worker.port.onmessage = ({ data }) => {
            if (data === "go") setTimeout(() => worker.port.postMessage(performance.now()), 50);
        };
    }""")
    worker.evaluate("() => { setTimeout(() => port.postMessage('go'), 100); }")
    worker_clock.run_for(1_000)
    assert read_log(worker) == [[150, 150]]


@pytest.mark.virtual_tabs
def test_worker_and_tab_that_answer_each_other_without_end_do_not_stop_time(
    app: App, worker_clock: Clock
) -> None:
    worker = app.start(POSTING)
    app.context.pages[0].evaluate("""() => {
        worker.port.onmessage = ({ data }) => worker.port.postMessage(data);
        worker.port.postMessage("ball");
    }""")
    worker_clock.run_for(1_000)
    assert worker_clock.now == 1_000
    assert len(read_log(worker)) > 20


@pytest.mark.virtual_tabs
def test_tab_that_only_posts_moves_along(app: App, worker_clock: Clock) -> None:
    app.gateway.serve("/worker.js", POSTING)
    page = app.open()
    page.evaluate("""() => {
        self.worker = new SharedWorker("/worker.js");
        setInterval(() => worker.port.postMessage("tick"), 1000);
    }""")
    worker = app.workers.wait_for()
    worker_clock.run_for(2_000)
    assert read_log(worker) == [["tick", 1_000], ["tick", 2_000]]
    worker.evaluate("() => { setTimeout(() => port.postMessage('answer'), 500); }")
    worker_clock.run_for(1_000)
    # It begins to read, and gets what has come so far.
    page.evaluate("""() => new Promise((resolve) => {
        self.messages = [];
        worker.port.onmessage = ({ data }) => resolve(messages.push([data, performance.now()]));
    })""")
    worker.evaluate("() => { setTimeout(() => port.postMessage('later'), 500); }")
    worker_clock.run_for(1_000)
    answers = page.evaluate("messages.filter(([data]) => data !== 'tick')")
    assert answers == [["answer", 3_000], ["later", 3_500]]
    assert read_log(worker) == [["tick", time] for time in range(1_000, 5_000, 1_000)]


@pytest.mark.virtual_tabs
def test_tab_of_two_workers_is_read_once(app: App, worker_clock: Clock, reads: list[list[TabState]]) -> None:
    first = app.start(POSTING, path="/first.js")
    relay = app.context.pages[0]
    second = app.start(path="/second.js")
    relay.evaluate(
        """() => {
        const { port } = new SharedWorker("/second.js", {});
        port.start();
        const post = () => port.postMessage(`relayed ${performance.now()}`);
        worker.port.onmessage = () => setTimeout(post, 50);
    }"""
    )
    first.evaluate("() => { setTimeout(() => port.postMessage('go'), 100); }")
    second.evaluate("() => { setInterval(note, 40, 'tick'); }")
    worker_clock.settle()
    reads.clear()
    worker_clock.run_for(200)
    assert [value for value, _ in read_log(second)] == [*["tick"] * 3, "relayed 150", *["tick"] * 2]
    assert [page.evaluate("performance.now()") for page in app.context.pages] == [200, 200]
    assert len(reads) == 1


@pytest.mark.virtual_tabs
def test_tab_that_connects_while_time_passes_is_read_again(
    app: App, worker_clock: Clock, reads: list[list[TabState]]
) -> None:
    first = app.start(path="/first.js")
    page = app.context.pages[0]
    second = app.start(path="/second.js")
    page.evaluate(
        """() => {
        setTimeout(() => {
            const { port } = new SharedWorker("/second.js", {});
            port.start();
            port.postMessage("hello");
        }, 100);
    }"""
    )
    first.evaluate("() => { setInterval(note, 100, 'tick'); }")
    second.evaluate("() => { setInterval(note, 40, 'tick'); }")
    worker_clock.settle()
    reads.clear()
    worker_clock.run_for(200)
    assert [value for value, _ in read_log(second)] == ["tick", "tick", "hello", "tick", "tick", "tick"]
    assert [len(tab.ports) for tab in reads[-1]] == [2, 1]


def test_timeout_counts_for_workers_that_do_not_start(app: App, worker_clock: Clock) -> None:
    app.gateway.add_toxic(Timeout(), on="/worker.js")
    app.connect(app.open())
    began = time.monotonic()
    with pytest.raises(ClockError, match=r"waited 0.5 s for the start of .*worker.js"):
        worker_clock.run_for(1_000, timeout=500)
    assert time.monotonic() - began < 5


def test_fast_forward_fires_each_due_timer_once(workers: list[SharedWorker], worker_clock: Clock) -> None:
    for worker in workers:
        worker.evaluate("() => { setInterval(note, 1000, 'tick'); setTimeout(note, 9000, 'timer'); }")
    worker_clock.fast_forward(10_000)
    assert read_logs(workers) == [[["tick", 10_000], ["timer", 10_000]]] * 2
    worker_clock.run_for(2_000)
    assert (
        read_logs(workers) == [[["tick", 10_000], ["timer", 10_000], ["tick", 11_000], ["tick", 12_000]]] * 2
    )
    assert worker_clock.now == 12_000


def test_fast_forward_of_one_worker_leaves_the_other(workers: list[SharedWorker]) -> None:
    first, second = workers
    for worker in workers:
        worker.evaluate("() => { setInterval(note, 1000, 'tick'); }")
    first.clock.fast_forward(10_000)
    second.clock.run_for(2_000)
    assert read_logs(workers) == [[["tick", 10_000]], [["tick", 1_000], ["tick", 2_000]]]


def test_run_next_moves_all_workers_to_the_next_timer(
    workers: list[SharedWorker], worker_clock: Clock
) -> None:
    first, second = workers
    first.evaluate("() => { setTimeout(note, 2000, 'first'); }")
    second.evaluate("() => { setTimeout(note, 500, 'second'); }")
    assert worker_clock.run_next()
    assert (read_logs(workers), worker_clock.now) == ([[], [["second", 500]]], 500)
    assert worker_clock.run_next()
    assert (read_logs(workers), worker_clock.now) == ([[["first", 2_000]], [["second", 500]]], 2_000)
    assert not worker_clock.run_next()


def test_pending_timers_are_due_on_the_shared_clock(app: App, worker_clock: Clock) -> None:
    first = app.start(path="/first.js")
    worker_clock.run_for(1_000)
    second = app.start(path="/second.js")
    first.evaluate("() => { setTimeout(note, 500); }")
    second.evaluate("() => { setInterval(note, 200); }")
    assert worker_clock.pending_timers == [Timer(1_200, 200), Timer(1_500, None)]
    assert second.clock.pending_timers == [Timer(200, 200)]


def test_now_counts_from_the_tests_start(app: App, worker_clock: Clock) -> None:
    worker_clock.run_for(1_000)
    first = app.start(path="/first.js")
    worker_clock.run_for(500)
    second = app.start(path="/second.js")
    worker_clock.fast_forward(200)
    assert (worker_clock.now, first.clock.now, second.clock.now) == (1_700, 700, 200)


def test_later_worker_starts_at_the_advanced_date(app: App, worker_clock: Clock) -> None:
    first = app.start(path="/first.js")
    worker_clock.run_for(DAY_MS)
    second = app.start(path="/second.js")
    tomorrow = datetime.now(timezone.utc) + timedelta(days=1)
    for clock in (first.clock, second.clock, worker_clock):
        assert abs(clock.date - tomorrow) < TOLERANCE
    assert abs(second.evaluate("new Date()") - tomorrow) < TOLERANCE
    assert first.clock.date <= second.clock.date


def test_system_time_applies_to_running_and_later_workers(app: App, worker_clock: Clock) -> None:
    date = datetime(2038, 1, 19, tzinfo=timezone.utc)
    first = app.start(path="/first.js")
    worker_clock.set_system_time(date)
    worker_clock.run_for(DAY_MS)
    second = app.start(path="/second.js")
    assert first.clock.date == date + timedelta(days=1)
    for clock in (second.clock, worker_clock):
        assert timedelta(0) <= clock.date - first.clock.date < TOLERANCE


def test_closed_workers_do_not_stop_the_clock(workers: list[SharedWorker], worker_clock: Clock) -> None:
    first, second = workers
    first.evaluate("() => { setTimeout(() => self.close(), 1000); }")
    second.evaluate("() => { setTimeout(note, 2000, 'timer'); }")
    worker_clock.run_for(3_000)
    worker_clock.run_for(1_000)
    assert read_log(second) == [["timer", 2_000]]
    assert (worker_clock.now, worker_clock.pending_timers) == (4_000, [])


def test_dates_of_all_workers_agree_to_the_millisecond(app: App, worker_clock: Clock) -> None:
    worker_clock.set_system_time("2030-01-01T00:00:00Z")
    time.sleep(0.05)  # Real time does not count.
    first = app.start(path="/first.js")
    worker_clock.run_for(1_000)
    time.sleep(0.05)
    second = app.start(path="/second.js")
    date = datetime(2030, 1, 1, 0, 0, 1, tzinfo=timezone.utc)
    assert worker_clock.date == date
    assert [worker.evaluate("new Date()") for worker in (first, second)] == [date, date]
