"""A worker with an extended lifetime: it sends what its tabs have left, hears of an opt-out, and ends.

Only browsers that read the option `extendedLifetime` have such workers; elsewhere nothing changes.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from e2e.client.app import (
    CONSENT_KEY,
    FLUSH_INTERVAL_MS,
    MINUTE_MS,
    OTHER_BUILD,
    App,
    drain,
    end_lingering_workers,
    log,
    wait_for_client,
)
from e2e.client.page import POST, get_components
from pytest_sharedworker import HttpStatus
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.workers.shared_workers import SharedWorkers

pytestmark = pytest.mark.usefixtures("worker_clock")

EXTENDED = "telemetry-worker-2-extended"
MANY = 3_000


def is_known(app: App) -> bool:
    """Return whether the browser reads the option."""
    return bool(
        app.open_blank().evaluate(
            """() => {
                let isRead = false;
                try {
                    new SharedWorker("//:", { get extendedLifetime() { return (isRead = true); } });
                } catch {}
                return isRead;
            }"""
        )
    )


@pytest.fixture
def extended_app(app: App) -> App:
    """Skip the test where the browser does not know the option."""
    if not is_known(app):
        pytest.skip("the browser does not know extendedLifetime")
    return app


def close_tabs(app: App) -> None:
    for page in app.context.pages:
        page.close()


def test_everything_leaves_after_the_last_tab(
    extended_app: App, gateway: Gateway, shared_workers: SharedWorkers, read_stored: Callable[[], list[str]]
) -> None:
    page = extended_app.open()
    worker = shared_workers.wait_for(name=EXTENDED)
    with gateway.add_toxic(HttpStatus(503), on=POST):
        page.evaluate(
            """(count) => {
                for (let number = 0; number < count; number++) {
                    telemetry.logEvent({ componentId: `event/${number}`, text: "x".repeat(200) });
                }
            }""",
            MANY,
        )
        shared_workers.clock.settle()
        close_tabs(extended_app)
        shared_workers.clock.run_for(2 * MINUTE_MS)
        assert not worker.is_closed(), "records are still queued"
    end_lingering_workers(shared_workers)
    worker.wait_for_close()
    assert read_stored() == sorted(f"event/{number}" for number in range(MANY))


def test_idle_worker_ends_after_the_last_tab(extended_app: App, shared_workers: SharedWorkers) -> None:
    pages = [extended_app.open() for _ in range(3)]
    worker = shared_workers.wait_for(name=EXTENDED)
    for page in pages[:2]:
        page.close()
    shared_workers.clock.run_for(10 * MINUTE_MS)
    assert not worker.is_closed(), "a tab is left"
    close_tabs(extended_app)
    end_lingering_workers(shared_workers)
    worker.wait_for_close()


def test_tab_that_comes_back_joins_the_session(
    extended_app: App, gateway: Gateway, shared_workers: SharedWorkers
) -> None:
    page = extended_app.open()
    worker = shared_workers.wait_for(name=EXTENDED)
    log(page, "before")
    shared_workers.clock.settle()
    blank = extended_app.open_blank()
    page.close()
    shared_workers.clock.run_for(2_000)
    blank.close()
    page = extended_app.open()
    log(page, "after")
    shared_workers.clock.run_for(2 * FLUSH_INTERVAL_MS)
    assert shared_workers.history == [worker]
    assert get_components(gateway) == ["after", "before"]
    assert len({post.json()["session_id"] for post in gateway.journal.select(POST)}) == 1
    shared_workers.clock.run_for(10 * MINUTE_MS)
    assert not worker.is_closed(), "the tab is open"


@pytest.mark.parametrize("build", [None, OTHER_BUILD], ids=["same-build", "other-build"])
@pytest.mark.parametrize("starts_without_consent", [False, True], ids=["opts-out", "starts-without-consent"])
def test_opt_out_reaches_a_worker_without_tabs(
    extended_app: App,
    gateway: Gateway,
    shared_workers: SharedWorkers,
    build: str | None,
    starts_without_consent: bool,
) -> None:
    with gateway.add_toxic(HttpStatus(503), on=POST):
        page = extended_app.open()
        log(page, "before")
        shared_workers.clock.settle()
        close_tabs(extended_app)
        gateway.journal.wait_for(POST)
        posts = len(gateway.journal.select(POST))
        path = extended_app.get_path(build) if build else extended_app.get_path()
        page = extended_app.context.new_page()
        if starts_without_consent:
            page.add_init_script(f"localStorage.setItem('{CONSENT_KEY}', 'false')")
        page.goto(extended_app.origin + path)
        wait_for_client(page)
        if not starts_without_consent:
            page.evaluate("() => telemetry.optOut()")
        shared_workers.clock.settle()
    drain(shared_workers.clock)
    assert len(gateway.journal.select(POST)) == posts
    assert shared_workers.alive == [], "nothing is left to do"


def test_worker_that_the_server_forbids_to_send_ends(
    extended_app: App, gateway: Gateway, shared_workers: SharedWorkers
) -> None:
    page = extended_app.open()
    with gateway.add_toxic(HttpStatus(403), on=POST):
        log(page, "kept")
        shared_workers.clock.settle()
        close_tabs(extended_app)
        end_lingering_workers(shared_workers)
    assert shared_workers.alive == []
    page = extended_app.open()
    drain(shared_workers.clock)
    assert get_components(gateway) == ["kept", "kept"], "the next worker recovers it"


def test_browsers_without_the_option_end_the_worker(app: App, shared_workers: SharedWorkers) -> None:
    if is_known(app):
        pytest.skip("the browser knows the option")
    app.open()
    worker = shared_workers.wait_for()
    close_tabs(app)
    worker.wait_for_close()
