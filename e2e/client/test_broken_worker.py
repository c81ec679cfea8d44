"""A worker whose script cannot be loaded or run: the session runs in the page, and says so once."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from e2e.client.app import App, log, wait_for_client, wait_for_state, wait_until_on_disk
from e2e.client.page import POST, get_components
from pytest_sharedworker import AsyncRoute
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.workers.shared_workers import SharedWorkers

SCRIPT = "GET **/telemetry.worker.js"
PAGE = "GET **/build-1.html"


def count_warnings(page: Page) -> int:
    warnings: list[str] = page.evaluate("() => warnings")
    return sum("no worker" in warning for warning in warnings)


def break_script(gateway: Gateway, fault: str) -> None:
    """Break the worker's script, or forbid it."""
    if fault == "policy":

        async def add_policy(route: AsyncRoute) -> None:
            response = await route.fetch()
            headers = {**response.headers, "Content-Security-Policy": "worker-src 'none'"}
            route.fulfill(response=response, headers=headers)

        gateway.route(PAGE, add_policy)
        return
    status, body, content_type = {
        "missing": (404, "not found", "text/plain"),
        "forbidden": (403, "forbidden", "text/plain"),
        "server-error": (503, "", "text/plain"),
        "login-page": (200, "<!doctype html><title>log in</title>", "text/html"),
        "syntax-error": (200, "const = ;", "text/javascript"),
        "missing-import": (200, "import './no-such-module.js';", "text/javascript"),
    }[fault]
    gateway.route(SCRIPT, lambda route: route.fulfill(status=status, body=body, content_type=content_type))


@pytest.mark.parametrize(
    "fault",
    ["missing", "forbidden", "server-error", "login-page", "syntax-error", "missing-import", "policy"],
)
def test_page_batches_without_a_worker_script(
    app: App, gateway: Gateway, shared_workers: SharedWorkers, fault: str
) -> None:
    break_script(gateway, fault)
    page = app.context.new_page()
    page.goto(app.origin + app.get_path())
    wait_for_client(page)
    log(page, "early")
    wait_for_state(page, "page")
    log(page, "late")
    page.evaluate("() => { telemetry.optOut(); telemetry.optIn(); }")
    wait_for_state(page, "page")
    log(page, "after")
    # A page that leaves before its session has a configuration takes the event along.
    wait_until_on_disk(page, "after")
    assert count_warnings(page) == (1 if page.evaluate("() => warnings.length") else 0)
    app.leave(page)
    gateway.journal.wait_for(POST)
    assert get_components(gateway) == ["after"]


def test_network_error_of_the_script_moves_the_session_into_the_page(
    app: App, gateway: Gateway, shared_workers: SharedWorkers
) -> None:
    gateway.route(SCRIPT, lambda route: route.abort())
    page = app.open(state="page")
    log(page, "event")
    wait_until_on_disk(page, "event")
    app.leave(page)
    gateway.journal.wait_for(POST)
    assert get_components(gateway) == ["event"]
    assert not shared_workers.history


def test_worker_that_never_answers_moves_the_session_into_the_page(app: App, gateway: Gateway) -> None:
    gateway.route(
        SCRIPT, lambda route: route.fulfill(body="onconnect = () => {};", content_type="text/javascript")
    )
    app.context.clock.install()
    page = app.open(state="starting")
    log(page, "event")
    app.context.clock.run_for(5_000)
    assert page.evaluate("telemetry.state()") == "starting"
    app.context.clock.run_for(10_000)
    wait_for_state(page, "page")
    wait_until_on_disk(page, "event")
    assert count_warnings(page) == 1


def test_worker_that_has_answered_once_is_waited_for(
    app: App, gateway: Gateway, shared_workers: SharedWorkers
) -> None:
    """Firefox gives a tab a worker that is ending, and may do so for long."""
    app.context.clock.install()
    page = app.open()
    gateway.route(
        SCRIPT, lambda route: route.fulfill(body="onconnect = () => {};", content_type="text/javascript")
    )
    shared_workers.wait_for().terminate()
    wait_for_state(page, "starting")
    for _ in range(3):
        app.context.clock.run_for(10_000)
        assert page.evaluate("telemetry.state()") == "starting"
    assert count_warnings(page) == 0
