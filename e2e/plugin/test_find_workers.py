"""Wait for workers and for values inside them: `wait_for`, `expect_worker`, `wait_for_function`.

test_workers.py tests names, ends and restarts; test_bad_input.py tests workers that cannot start.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext

from e2e.plugin.app import ECHO, App
from pytest_sharedworker import (
    AmbiguousWorkerError,
    GatewayError,
    SharedWorker,
    SharedWorkerError,
    UnsupportedError,
    WaitTimeoutError,
    WorkerNotFoundError,
)

NewContext = Callable[[], BrowserContext]


@pytest.fixture
def other_context(app: App, new_context: NewContext) -> BrowserContext:
    """Start a worker in another context than the test's."""
    context = new_context()
    app.workers.watch(context)
    app.gateway.serve("/worker.js", ECHO)
    app.connect(app.open(context))
    app.workers.wait_for()
    return context


# --- wait_for -------------------------------------------------------------------------------------


def test_wait_for_takes_all_kinds_of_patterns(app: App) -> None:
    worker = app.start(path="/js/echo.worker.js")
    app.start(path="/js/other.js")
    for pattern in (
        "**/echo.*.js",
        "/js/echo.worker.js",
        re.compile(r"echo\.worker"),
        lambda url: url.endswith("/echo.worker.js"),
    ):
        assert app.workers.wait_for(pattern) is worker


def test_wait_for_rejects_a_pattern_that_cannot_match(app: App) -> None:
    with pytest.raises(GatewayError):
        app.workers.wait_for("worker.js")


def test_wait_for_distinguishes_contexts(app: App, other_context: BrowserContext) -> None:
    theirs = app.workers.wait_for(context=other_context)
    app.connect(app.open())
    while len(app.workers.alive) < 2:
        app.workers._manager.idle()
    with pytest.raises(AmbiguousWorkerError, match="a narrower pattern, a name or a context"):
        app.workers.wait_for()
    own = app.workers.wait_for(context=app.context)
    assert own is not theirs
    assert app.workers.wait_for(context=other_context) is theirs


def test_wait_for_ignores_workers_of_other_contexts(app: App, other_context: BrowserContext) -> None:
    with pytest.raises(WorkerNotFoundError, match="did not appear within 300 ms"):
        app.workers.wait_for(context=app.context, timeout=300)


@pytest.mark.worker_clock("real")
@pytest.mark.usefixtures("needs_devtools")
def test_wait_for_distinguishes_contexts_on_the_real_clock(app: App, other_context: BrowserContext) -> None:
    theirs = app.workers.wait_for(context=other_context)
    app.connect(app.open())
    own = app.workers.wait_for(context=app.context)
    assert own is not theirs


@pytest.mark.worker_clock("real")
@pytest.mark.only_browser("firefox")
def test_context_in_firefox_needs_the_virtual_clock(app: App, other_context: BrowserContext) -> None:
    with pytest.raises(UnsupportedError, match="request the fixture worker_clock"):
        app.workers.wait_for(context=other_context)


# --- expect_worker --------------------------------------------------------------------------------


def test_expect_worker_returns_the_started_worker(app: App) -> None:
    app.start(path="/first.js")
    app.gateway.serve("/second.js", ECHO)
    page = app.open()
    with app.workers.expect_worker("**/second.js") as info:
        app.connect(page, "/second.js")
    assert info.value is app.workers.wait_for("**/second.js")


def test_expect_worker_returns_the_restarted_worker(app: App, worker: SharedWorker) -> None:
    [page] = app.context.pages
    with app.workers.expect_worker("**/worker.js") as info:
        worker.terminate()
        app.connect(page)
    assert info.value is not worker
    assert not info.value.is_closed()


def test_expect_worker_selects_by_name(app: App) -> None:
    app.gateway.serve("/worker.js", ECHO)
    page = app.open()
    with app.workers.expect_worker(name="two") as info:
        app.connect(page, name="one")
        app.connect(page, name="two")
    assert info.value.name == "two"


def test_expect_worker_ignores_running_workers(app: App, worker: SharedWorker) -> None:
    with pytest.raises(WorkerNotFoundError, match=r"a new SharedWorker .* did not appear within 300 ms"):
        with app.workers.expect_worker(timeout=300):
            pass


def test_expect_worker_names_the_reason_of_a_failed_start(app: App) -> None:
    page = app.open()
    with pytest.raises(WorkerNotFoundError, match="the response to its script is 404"):
        with app.workers.expect_worker("**/missing.js"):
            app.connect(page, "/missing.js")


def test_expect_worker_has_no_value_inside_its_block(app: App) -> None:
    app.gateway.serve("/worker.js", ECHO)
    page = app.open()
    with app.workers.expect_worker() as info:
        app.connect(page)
        with pytest.raises(SharedWorkerError, match="known at the end of the `with` block"):
            _ = info.value


def test_expect_worker_raises_the_exception_of_its_block(app: App) -> None:
    with pytest.raises(LookupError), app.workers.expect_worker():
        raise LookupError


# --- wait_for_function ----------------------------------------------------------------------------


def test_wait_for_function_returns_the_first_truthy_value(app: App, worker: SharedWorker) -> None:
    worker.evaluate(
        "() => { self.calls = 0; self.count = (step) => { calls += step; return calls >= 6 && calls; }; }"
    )
    assert worker.wait_for_function("(step) => count(step)", arg=2) == 6
    assert worker.evaluate("calls") == 6


def test_wait_for_function_awaits_promises(worker: SharedWorker) -> None:
    assert worker.wait_for_function("async () => 'ready'") == "ready"


def test_wait_for_function_waits_for_messages_of_tabs(app: App, worker: SharedWorker) -> None:
    app.context.pages[0].evaluate("() => worker.port.postMessage('hello')")
    assert worker.wait_for_function("log.length && log[0][0]") == "hello"


def test_wait_for_function_error_names_the_last_value(worker: SharedWorker) -> None:
    with pytest.raises(WaitTimeoutError, match=r"waited 300 ms for 'log.length' in .*; its last value is 0"):
        worker.wait_for_function("log.length", timeout=300)


def test_wait_for_function_bounds_a_promise_that_does_not_settle(app: App) -> None:
    worker = app.start()
    began = time.monotonic()
    with pytest.raises(WaitTimeoutError, match="waited 300 ms for"):
        worker.wait_for_function("() => new Promise(() => {})", timeout=300)
    assert time.monotonic() - began < 5
