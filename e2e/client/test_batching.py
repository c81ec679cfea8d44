"""Events of one task leave the tab in two messages: consent, crashes and what the app changes meanwhile."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from e2e.client.app import CONSENT_KEY, FLUSH_INTERVAL_MS, App, drain, get_dropped, log, read_outbox
from e2e.client.page import POST, get_components
from pytest_sharedworker import Route
from pytest_sharedworker.errors import UnsupportedError
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.workers.crash import crash
from pytest_sharedworker.workers.shared_workers import SharedWorkers

pytestmark = pytest.mark.usefixtures("worker_clock")

BURST = 50

# What the tab sends, and how often it reads localStorage.
OBSERVE = """() => {
    self.sent = [];
    self.reads = 0;
    const { postMessage } = MessagePort.prototype;
    MessagePort.prototype.postMessage = function (message, ...others) {
        if (message.type === "LOG_EVENTS") sent.push(message.payload.map(({ params }) => params.componentId));
        postMessage.call(this, message, ...others);
    };
    const { getItem } = Storage.prototype;
    Storage.prototype.getItem = function (key) { reads++; return getItem.call(this, key); };
}"""


@pytest.fixture
def page(app: App) -> Page:
    """Return the app in a tab that counts what its client does."""
    page = app.open()
    page.evaluate(OBSERVE)
    return page


def test_events_of_one_task_share_a_message_and_a_look_at_storage(page: Page) -> None:
    in_task, reads = page.evaluate(
        """(count) => {
            for (let number = 0; number < count; number++) telemetry.logEvent({ componentId: `${number}` });
            return [sent.map((events) => events.length), reads];
        }""",
        BURST,
    )
    # The first leaves at once: a page that hangs right after a click has sent it.
    assert in_task == [1]
    assert reads <= 4
    page.wait_for_function("() => sent.length > 1")
    assert page.evaluate("() => sent.flat()") == [str(number) for number in range(BURST)]
    assert page.evaluate("() => sent.length") == 2


def test_events_after_an_opt_out_in_the_same_task_do_not_leave(page: Page) -> None:
    page.evaluate(
        """(key) => {
            telemetry.logEvent({ componentId: "with consent" });
            localStorage.setItem(key, "false");
            telemetry.logEvent({ componentId: "without consent" });
            telemetry.logEvent({ componentId: "without consent" });
        }""",
        CONSENT_KEY,
    )
    page.wait_for_function("() => telemetry.state() === 'off'")
    assert page.evaluate("() => sent") == [["with consent"]]


def test_an_event_is_what_it_was_when_it_was_logged(
    gateway: Gateway, shared_workers: SharedWorkers, page: Page
) -> None:
    page.evaluate(
        """() => {
            const flat = { componentId: "flat" };
            const deep = { componentId: "deep", list: [{ componentId: "inner" }] };
            telemetry.logEvent({ componentId: "first" });
            telemetry.logEvent(flat);
            telemetry.logEvent(deep);
            flat.componentId = deep.componentId = deep.list[0].componentId = "changed";
        }"""
    )
    shared_workers.clock.run_for(FLUSH_INTERVAL_MS)
    assert get_components(gateway) == ["deep", "first", "flat"]
    records = gateway.journal.select("POST **/ui-telemetry")[-1].json()["records"]
    assert records[-1]["params"]["list"] == [{"componentId": "inner"}]


def test_crash_of_a_tab_right_after_a_burst_loses_nothing(
    app: App, gateway: Gateway, shared_workers: SharedWorkers, page: Page
) -> None:
    other = app.open()
    log(other, "burst", BURST)
    try:
        crash(other)
    except UnsupportedError as reason:
        pytest.skip(str(reason))
    shared_workers.clock.run_for(2 * FLUSH_INTERVAL_MS)
    assert get_components(gateway) == sorted(f"burst/{number}" for number in range(BURST))


def test_record_that_the_server_rejects_costs_no_other(
    app: App, gateway: Gateway, shared_workers: SharedWorkers, read_stored: Callable[[], list[str]]
) -> None:
    """It rejects the whole body, as one that does not check each record."""

    def reject(route: Route) -> None:
        if b"poison" in route.exchange.decoded_body:
            route.fulfill(status=422, json={"error": "poison"})
        else:
            route.fallback()

    gateway.route(POST, reject)
    page = app.open()
    log(page, "before", count=20)
    log(page, "poison")
    log(page, "after", count=20)
    for _ in range(4):
        drain(shared_workers.clock)
    assert read_stored() == sorted(f"{name}/{number}" for name in ("before", "after") for number in range(20))
    log(page, "later")
    drain(shared_workers.clock)
    assert get_dropped(gateway) == 1


def test_server_that_rejects_everything_gets_few_requests(
    app: App, gateway: Gateway, shared_workers: SharedWorkers
) -> None:
    gateway.route(POST, lambda route: route.fulfill(status=400))
    page = app.open()
    log(page, "rejected", count=100)
    for _ in range(28):
        drain(shared_workers.clock)
    assert read_outbox(page) == []
    # Six to find one record, then four with each number of records: 1, 2, 4, 8, 16.
    assert len(gateway.journal.select(POST)) <= 26
