"""Workers with unchanged scripts, on Chromium's own virtual time.

test_clock.py tests the exact virtual clock. Not covered: two workers of one renderer process, which share one
time.
"""

from __future__ import annotations

import pytest

from e2e.plugin.app import ECHO, App
from pytest_sharedworker import ClockError, Latency, Timeout, UnsupportedError

pytestmark = pytest.mark.worker_clock("devtools")

NOTE = """
const start_ms = Date.now();
self.log = [];
self.note = (value) => { log.push([value, Date.now() - start_ms]); };
"""
TICKS = f"{NOTE} setInterval(() => note('tick'), 30000); onconnect = () => {{}};"


def test_script_is_served_unchanged(app: App) -> None:
    app.start(TICKS)
    (script,) = app.gateway.journal.select("/worker.js")
    assert script.response_body == TICKS.encode()


def test_timers_fire_exactly_when_due(app: App) -> None:
    worker = app.start(TICKS)
    worker.clock.run_for(29_999)
    assert worker.evaluate("log") == []
    worker.clock.run_for(1)
    assert worker.evaluate("log") == [["tick", 30000]]
    worker.clock.run_for(59_999)
    assert worker.evaluate("log.length") == 2
    worker.clock.run_for(1)
    assert worker.evaluate("log") == [["tick", 30000], ["tick", 60000], ["tick", 90000]]
    assert worker.clock.now == 90_000


def test_time_is_stopped_from_the_first_line_on(app: App) -> None:
    worker = app.start(f"{NOTE} setTimeout(() => note('timer'), 1); onconnect = () => {{}};")
    app.open().wait_for_timeout(50)
    assert worker.evaluate("log") == []
    worker.clock.run_for(1)
    assert worker.evaluate("log") == [["timer", 1]]


def test_module_worker_with_imports_is_on_virtual_time(app: App) -> None:
    app.gateway.serve("/delay.js", "export const delay_ms = 1000;")
    script = f"import {{ delay_ms }} from '/delay.js'; {NOTE} setTimeout(() => note('timer'), delay_ms);"
    worker = app.start(f"{script} onconnect = () => {{}};", type="module")
    worker.clock.run_for(999)
    assert worker.evaluate("log") == []
    worker.clock.run_for(1)
    assert worker.evaluate("log") == [["timer", 1000]]


def test_posted_messages_are_read_before_time_moves(app: App) -> None:
    worker = app.start(ECHO)
    tabs = [app.open() for _ in range(3)]
    for number, tab in enumerate(tabs):
        app.connect(tab)
        tab.evaluate("(number) => worker.port.postMessage(number)", number)
    worker.clock.run_for(10_000)
    log = worker.evaluate("log")
    assert sorted(number for number, _ in log) == [0, 1, 2]
    assert max(now_ms for _, now_ms in log) - min(now_ms for _, now_ms in log) < 1000


def test_messages_pass_while_time_is_stopped(app: App) -> None:
    worker = app.start(ECHO)
    tabs = [app.context.pages[0], app.open()]
    for tab in tabs:
        app.connect(tab)
        tab.evaluate("worker.port.postMessage('hello')")
        # Not by wait_for_function: its polling would stop with the tab's time.
        while tab.evaluate("messages") != ["hello"]:
            app.workers._manager.idle()
    worker.clock.run_for(1_000)
    assert {
        round(now_ms) for _, now_ms in worker.evaluate("log.map(([value, now]) => [value, now - log[0][1]])")
    } == {0}


def test_clock_waits_for_requests_at_a_small_cost(app: App) -> None:
    app.gateway.serve("/data", "data", content_type="text/plain")
    app.gateway.add_toxic(Latency(latency=200), on="/data")
    request = "fetch('/data').then((response) => response.text()).then((text) => note(text))"
    worker = app.start(f"{NOTE} setTimeout(() => {request}, 1000); onconnect = () => {{}};")
    worker.clock.run_for(1_000)
    ((text, now_ms),) = worker.evaluate("log")
    assert text == "data"
    assert now_ms - 1000 <= worker.clock.resolution


def test_request_without_response_is_named(app: App) -> None:
    app.gateway.add_toxic(Timeout(timeout=0), on="/data")
    worker = app.start("setTimeout(() => fetch('/data'), 1000); onconnect = () => {};")
    assert worker.clock.kind == "devtools"
    with pytest.raises(ClockError, match=r"these requests are pending: \['GET .*/data'\]"):
        worker.clock.run_for(1_000, timeout=1_000)


def test_shared_clock_moves_workers_of_different_tabs(app: App) -> None:
    app.gateway.serve("/worker.js", TICKS)
    for name in ("first", "second"):
        app.connect(app.open(), name=name)
        app.workers.wait_for(name=name)
    app.workers.clock.run_for(30_000)
    assert [worker.evaluate("log") for worker in app.workers.alive] == [[["tick", 30000]]] * 2


def test_next_worker_of_the_script_starts_at_zero(app: App) -> None:
    first = app.start(TICKS)
    first.clock.run_for(40_000)
    first.terminate()
    second = app.start(TICKS)
    second.clock.run_for(30_000)
    assert second.evaluate("log") == [["tick", 30000]]
    assert second is not first


def test_unsupported_methods_name_the_virtual_clock(app: App) -> None:
    worker = app.start(TICKS)
    clock = worker.clock
    assert clock.state() == {"kind": "devtools", "now": 0, "pending": []}
    with pytest.raises(UnsupportedError, match="use the virtual clock"):
        _ = worker.clock.pending_timers
    with pytest.raises(ClockError, match="0 or more"):
        worker.clock.run_for(-1)
    with pytest.raises(UnsupportedError, match="leaves worker scripts untouched"):
        app.workers.add_init_script("self.before = 1;")
