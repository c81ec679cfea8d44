"""Faults on the requests of a worker: how often, how likely, and an answer lost behind the server's back.

Here with a real browser; every toxic and its attributes: unit/pytest_sharedworker/test_gateway_toxics.py.
"""

from __future__ import annotations

import pytest

from e2e.plugin.app import App, log
from pytest_sharedworker.clock.virtual import VirtualClock
from pytest_sharedworker.gateway.route import Route
from pytest_sharedworker.workers.shared_worker import SharedWorker

POST_EACH_SECOND = """() => {
    setInterval(async () => {
        try {
            note((await fetch("/data", { method: "POST", body: "event" })).status);
        } catch (error) {
            note(error.name);
        }
    }, 1000);
}"""


@pytest.fixture(autouse=True)
def posting(app: App, worker: SharedWorker) -> None:
    app.gateway.mount("/data", "taken", "text/plain")
    worker.evaluate(POST_EACH_SECOND)


def outcomes(worker: SharedWorker) -> list[object]:
    return [what for what, _ in log(worker)]


def test_toxic_with_times_ends_after_that_many_requests(app: App, worker: SharedWorker, clock: VirtualClock) -> None:
    app.gateway.toxic("reset_peer", on="POST /data", times=2)
    clock.run_for(4_000)
    assert outcomes(worker) == ["TypeError", "TypeError", 200, 200]


def test_toxic_is_limited_to_its_block_and_pattern(
    app: App, worker: SharedWorker, clock: VirtualClock
) -> None:
    app.gateway.toxic("status", on="GET /data", status=500)
    with app.gateway.toxic("status", on="POST /data", status=503):
        clock.run_for(2_000)
    clock.run_for(1_000)
    assert outcomes(worker) == [503, 503, 200]


def test_toxicity_is_reproducible_by_seed(app: App, worker: SharedWorker, clock: VirtualClock) -> None:
    for _ in range(2):
        with app.gateway.toxic("status", on="POST /data", status=503, probability=0.5, seed=7):
            clock.run_for(20_000)
    first, second = outcomes(worker)[:20], outcomes(worker)[20:]
    assert first == second
    assert set(first) == {200, 503}


def test_dropped_response_leaves_the_request_at_the_server(
    app: App, worker: SharedWorker, clock: VirtualClock
) -> None:
    taken: list[bytes] = []

    def take(route: Route) -> None:
        taken.append(route.request.request_body)
        route.fulfill()

    app.gateway.route("POST /data", take)
    app.gateway.toxic("drop_response", on="POST /data", times=1)
    clock.run_for(2_000)
    assert outcomes(worker) == ["TypeError", 200]
    assert taken == [b"event"] * 2


def test_journal_distinguishes_requests_of_worker_and_tab(
    app: App, worker: SharedWorker, clock: VirtualClock
) -> None:
    [page] = app.context.pages
    page.evaluate("fetch('/data', { method: 'POST', body: 'of the tab' }).then((answer) => answer.text())")
    clock.run_for(1_000)
    exchanges = app.gateway.journal.select("POST /data")
    assert [(exchange.request_body, exchange.worker_id) for exchange in exchanges] == [
        (b"of the tab", None),
        (b"event", worker.id),
    ]
    assert exchanges[1].virtual_seconds == 1
