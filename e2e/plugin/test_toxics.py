"""Toxics on the requests of a worker: count, toxicity, and a response dropped after the server handled it.

unit/pytest_sharedworker/gateway tests every toxic and its attributes, without a browser.
"""

from __future__ import annotations

import pytest

from e2e.plugin.app import App, read_log
from pytest_sharedworker import Clock, DropResponse, HttpStatus, ResetPeer, Route, SharedWorker

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
    app.gateway.serve("/data", "accepted", content_type="text/plain")
    worker.evaluate(POST_EACH_SECOND)


def list_outcomes(worker: SharedWorker) -> list[object]:
    return [outcome for outcome, _ in read_log(worker)]


def test_toxic_with_times_ends_after_that_many_requests(app: App, worker: SharedWorker, clock: Clock) -> None:
    app.gateway.add_toxic(ResetPeer(), on="POST /data", times=2)
    clock.run_for(4_000)
    assert list_outcomes(worker) == ["TypeError", "TypeError", 200, 200]


def test_toxic_is_limited_to_its_block_and_pattern(app: App, worker: SharedWorker, clock: Clock) -> None:
    app.gateway.add_toxic(HttpStatus(500), on="GET /data", optional=True)
    with app.gateway.add_toxic(HttpStatus(503), on="POST /data"):
        clock.run_for(2_000)
    clock.run_for(1_000)
    assert list_outcomes(worker) == [503, 503, 200]


def test_toxicity_is_reproducible_by_seed(app: App, worker: SharedWorker, clock: Clock) -> None:
    for _ in range(2):
        with app.gateway.add_toxic(HttpStatus(503), on="POST /data", toxicity=0.5, seed=7):
            clock.run_for(20_000)
    first, second = list_outcomes(worker)[:20], list_outcomes(worker)[20:]
    assert first == second
    assert set(first) == {200, 503}


def test_dropped_response_leaves_the_request_at_the_server(
    app: App, worker: SharedWorker, clock: Clock
) -> None:
    received: list[bytes] = []

    def receive(route: Route) -> None:
        received.append(route.exchange.request_body)
        route.fulfill()

    app.gateway.route("POST /data", receive)
    app.gateway.add_toxic(DropResponse(), on="POST /data", times=1)
    clock.run_for(2_000)
    assert list_outcomes(worker) == ["TypeError", 200]
    assert received == [b"event"] * 2


def test_journal_distinguishes_requests_of_worker_and_tab(
    app: App, worker: SharedWorker, clock: Clock
) -> None:
    [page] = app.context.pages
    page.evaluate(
        "fetch('/data', { method: 'POST', body: 'of the tab' }).then((response) => response.text())"
    )
    clock.run_for(1_000)
    exchanges = app.gateway.journal.select("POST /data")
    assert [(exchange.request_body, exchange.worker_id) for exchange in exchanges] == [
        (b"of the tab", None),
        (b"event", worker.id),
    ]
    assert exchanges[1].virtual_time == 1_000
