"""Virtual time, messages and requests: what the clock waits for before time moves on."""

from __future__ import annotations

import pytest

from e2e.plugin.app import ECHO, App, read_log
from pytest_sharedworker import Clock, Latency, SharedWorker, Timeout


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


def test_shared_clock_moves_all_workers(app: App, worker: SharedWorker) -> None:
    other = app.start(ECHO, "/other.js")
    for each in (worker, other):
        each.evaluate("() => { setInterval(note, 1000, 'tick'); }")
    app.workers.clock.run_for(3_000)
    assert read_log(worker) == read_log(other) == [["tick", 1_000], ["tick", 2_000], ["tick", 3_000]]
