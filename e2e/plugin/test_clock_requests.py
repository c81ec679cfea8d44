"""Virtual time, messages and requests: what the clock waits for before time moves on."""

from __future__ import annotations

import time

import pytest

from e2e.plugin.app import ECHO, App, read_log
from pytest_sharedworker import Clock, Latency, Route, SharedWorker, Timeout


def test_posted_messages_are_read_before_time_moves(app: App, worker: SharedWorker) -> None:
    [page] = app.context.pages
    page.evaluate("() => { for (let number = 0; number < 100; number++) worker.port.postMessage(number); }")
    worker.clock.run_for(1_000)
    assert read_log(worker) == [[number, 0] for number in range(100)]


REQUESTS = {
    "fetch": "await (await fetch('/data.json')).json()",
    "XMLHttpRequest": """await new Promise((resolve) => {
        const request = new XMLHttpRequest();
        request.onload = () => resolve(JSON.parse(request.responseText));
        request.open("GET", "/data.json");
        request.send();
    })""",
}


@pytest.mark.parametrize("expression", REQUESTS.values(), ids=REQUESTS.keys())
def test_clock_waits_for_a_chain_of_requests(
    app: App, worker: SharedWorker, clock: Clock, expression: str
) -> None:
    app.gateway.serve("/data.json", '{"step": 1}')
    worker.evaluate(f"""() => {{
        setTimeout(async () => {{
            for (let step = 0; step < 3; step++) note(({expression}).step);
        }}, 1000);
        setTimeout(note, 1001, "after");
    }}""")
    clock.run_for(2_000)
    assert read_log(worker) == [[1, 1_000]] * 3 + [["after", 1_001]]
    exchanges = app.gateway.journal.select("/data.json")
    assert [exchange.virtual_time for exchange in exchanges] == [1_000] * 3
    assert {exchange.worker_id for exchange in exchanges} == {worker.id}


@pytest.mark.parametrize("expression", REQUESTS.values(), ids=REQUESTS.keys())
def test_latency_is_exact_in_virtual_time(
    app: App, worker: SharedWorker, clock: Clock, expression: str
) -> None:
    app.gateway.serve("/data.json", '{"step": 1}')
    app.gateway.add_toxic(Latency(latency=5_000), on="/data.json")
    worker.evaluate(f"() => {{ setTimeout(async () => note(({expression}).step), 1000); }}")
    clock.run_for(5_999)
    assert read_log(worker) == []
    clock.run_for(1)
    assert read_log(worker) == [[1, 6_000]]


def test_delayed_request_ends_when_the_worker_aborts_it(app: App, worker: SharedWorker, clock: Clock) -> None:
    app.gateway.serve("/data.json", "{}")
    app.gateway.add_toxic(Timeout(), on="/data.json")
    worker.evaluate("""() => {
        fetch("/data.json", { signal: AbortSignal.timeout(3000) }).catch((error) => note(error.name));
    }""")
    clock.run_for(10_000)
    # Firefox reports every abort as an AbortError.
    assert read_log(worker) in ([["TimeoutError", 3_000]], [["AbortError", 3_000]])
    [exchange] = app.gateway.journal.wait_for("/data.json")
    assert exchange.status is None


def test_requests_of_one_url_do_not_stop_the_clock(app: App, worker: SharedWorker, clock: Clock) -> None:
    app.gateway.serve("/data.json", "{}")
    app.gateway.add_toxic(Timeout(), on="/data.json")
    # A browser sends the second request only when it has an answer to the first, for its cache.
    worker.evaluate("""() => {
        for (const ms of [1000, 2000, 3000]) {
            fetch("/data.json", { signal: AbortSignal.timeout(ms) }).catch(() => note("aborted"));
        }
        setTimeout(note, 500, "timer");
    }""")
    clock.run_for(10_000)
    assert read_log(worker) == [["timer", 500], ["aborted", 1_000], ["aborted", 2_000], ["aborted", 3_000]]


SEND = """(timeout) => {
    self.request = new XMLHttpRequest();
    for (const type of ["load", "timeout", "error", "abort"]) {
        request.addEventListener(type, () => note([type, request.timeout]));
    }
    request.open("GET", "/data.json");
    request.timeout = timeout;
    request.send();
}"""


def test_request_times_out_in_virtual_time(app: App, worker: SharedWorker, clock: Clock) -> None:
    app.gateway.serve("/data.json", "{}")
    app.gateway.add_toxic(Latency(latency=5_000), on="/data.json")
    worker.evaluate(SEND, 3_000)
    worker.evaluate("() => { setTimeout(note, 3001, 'after'); }")
    clock.run_for(10_000)
    assert read_log(worker) == [[["timeout", 3_000], 3_000], ["after", 3_001]]


def test_request_without_end_times_out_in_virtual_time(app: App, worker: SharedWorker, clock: Clock) -> None:
    app.gateway.add_toxic(Timeout(), on="/data.json")
    worker.evaluate(SEND, 3_600_000)
    clock.run_for(3_599_999)
    assert read_log(worker) == []
    clock.run_for(1)
    assert read_log(worker) == [[["timeout", 3_600_000], 3_600_000]]


def test_request_that_is_fast_enough_does_not_time_out(app: App, worker: SharedWorker, clock: Clock) -> None:
    app.gateway.serve("/data.json", "{}")
    app.gateway.add_toxic(Latency(latency=5_000), on="/data.json")
    worker.evaluate(SEND, 5_001)
    clock.run_for(10_000)
    assert read_log(worker) == [[["load", 5_001], 5_000]]
    assert clock.pending_timers == []


def test_real_time_does_not_time_a_request_out(app: App, worker: SharedWorker, clock: Clock) -> None:
    def respond(route: Route) -> None:
        time.sleep(0.1)
        route.fulfill(json={})

    app.gateway.route("/data.json", respond)
    worker.evaluate(SEND, 10)
    clock.run_for(1_000)
    assert read_log(worker) == [[["load", 10], 0]]


CHANGES = {
    "set later": ("request.timeout = 3000", ["timeout", 3_000], 3_000),
    "longer": ("request.timeout = 4000", ["timeout", 4_000], 4_000),
    "none": ("request.timeout = 0", ["load", 0], 5_000),
    "aborted": ("request.abort()", ["abort", 2_000], 1_000),
    "sent again": ("request.open('GET', '/data.json'); request.send()", ["timeout", 2_000], 3_000),
}


@pytest.mark.parametrize("title", CHANGES)
def test_timeout_may_change_while_the_request_is_pending(
    app: App, worker: SharedWorker, clock: Clock, browser_name: str, title: str
) -> None:
    if browser_name == "webkit" and title == "set later":
        pytest.skip("WebKit ignores a timeout that a request gets after it was sent without one")
    change, outcome, due = CHANGES[title]
    app.gateway.serve("/data.json", "{}")
    app.gateway.add_toxic(Latency(latency=5_000), on="/data.json")
    worker.evaluate(SEND, 0 if title == "set later" else 2_000)
    worker.evaluate(f"() => {{ setTimeout(() => {{ {change}; }}, 1000); }}")
    clock.run_for(20_000)
    if browser_name == "firefox" and title == "sent again":
        # In its workers, a request that is opened again never ends; the clock loses patience with it.
        assert read_log(worker) == []
    else:
        assert read_log(worker) == [[outcome, due]]


def test_request_is_used_again_after_a_timeout(app: App, worker: SharedWorker, clock: Clock) -> None:
    app.gateway.serve("/data.json", "{}")
    app.gateway.add_toxic(Latency(latency=5_000), on="/data.json", times=1)
    worker.evaluate(SEND, 3_000)
    clock.run_for(4_000)
    worker.evaluate("() => { request.open('GET', '/data.json'); request.send(); }")
    clock.run_for(4_000)
    assert read_log(worker) == [[["timeout", 3_000], 3_000], [["load", 3_000], 4_000]]


def test_shared_clock_moves_all_workers(app: App, worker: SharedWorker) -> None:
    other = app.start(ECHO, "/other.js")
    for each in (worker, other):
        each.evaluate("() => { setInterval(note, 1000, 'tick'); }")
    app.workers.clock.run_for(3_000)
    assert read_log(worker) == read_log(other) == [["tick", 1_000], ["tick", 2_000], ["tick", 3_000]]
