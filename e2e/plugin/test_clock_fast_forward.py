"""Jumps of virtual time: what fires, when, and how often."""

from __future__ import annotations

import pytest

from e2e.plugin.app import App, read_log
from pytest_sharedworker import Clock, Latency, SharedWorker, Timer


def test_due_timers_fire_once_at_the_new_time_in_their_order(worker: SharedWorker, clock: Clock) -> None:
    worker.evaluate("""() => {
        setTimeout(note, 2000, "second"); setTimeout(note, 1000, "first"); setTimeout(note, 60001, "later");
        setInterval(note, 10000, "interval"); setTimeout(note, 60000, "at the target");
    }""")
    clock.fast_forward("01:00")
    assert read_log(worker) == [
        ["first", 60_000], ["second", 60_000], ["interval", 60_000], ["at the target", 60_000]
    ]  # fmt: skip
    assert clock.now == 60_000


def test_intervals_go_on_from_the_new_time(worker: SharedWorker, clock: Clock) -> None:
    worker.evaluate("() => { setInterval(note, 10000, 'tick'); }")
    clock.fast_forward(35_000)
    assert clock.pending_timers == [Timer(45_000, 10_000)]
    clock.run_for(20_000)
    assert read_log(worker) == [["tick", 35_000], ["tick", 45_000], ["tick", 55_000]]


def test_timers_made_on_the_way_count_from_the_new_time(worker: SharedWorker, clock: Clock) -> None:
    worker.evaluate("""() => {
        const begin = Date.now();
        setTimeout(() => {
            note(Date.now() - begin);
            setTimeout(note, 0, "now");
            setTimeout(note, 5, "5");
        }, 10);
    }""")
    clock.fast_forward(1_000)
    assert read_log(worker) == [[1_000, 1_000], ["now", 1_000]]
    clock.run_for(5)
    assert read_log(worker)[2:] == [["5", 1_005]]


def test_jump_waits_for_requests_and_ends_delays(app: App, worker: SharedWorker, clock: Clock) -> None:
    app.gateway.serve("/data.json", "{}")
    app.gateway.add_toxic(Latency(latency=5_000), on="/data.json")
    worker.evaluate(
        "() => { fetch('/data.json').then(({ status }) => note(status)); setTimeout(note, 9000); }"
    )
    clock.settle()
    clock.fast_forward(8_000)
    assert read_log(worker) == [[200, 8_000]]


def test_jump_without_timers_moves_time_alone(worker: SharedWorker, clock: Clock) -> None:
    clock.fast_forward(3_600_000)
    clock.fast_forward(0)
    assert (clock.now, read_log(worker)) == (3_600_000, [])
    assert not clock.run_next()


@pytest.mark.virtual_tabs
def test_tabs_jump_along(app: App, worker: SharedWorker, clock: Clock) -> None:
    [page] = app.context.pages
    page.evaluate("""() => {
        setInterval(() => worker.port.postMessage(`tab ${performance.now() - begin}`), 1000);
        self.begin = performance.now();
    }""")
    worker.evaluate("() => { setTimeout(note, 500, 'worker'); }")
    clock.fast_forward(10_500)
    assert read_log(worker) == [["tab 10500", 10_500], ["worker", 10_500]]
    clock.run_for(1_000)
    assert read_log(worker)[2:] == [["tab 11500", 11_500]]
    assert page.evaluate("performance.now() - begin") == 11_500
