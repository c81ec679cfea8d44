"""Withdrawn consent holds in every tab, frame, build, cached page and worker, also with a full localStorage.

Real pages and real storage; only the worker's time is virtual. `test_page.py` covers the demo page's switch.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from e2e.client.app import (
    CONSENT_KEY,
    FILL_STORAGE,
    FLUSH_INTERVAL_MS,
    OTHER_BUILD,
    STEAL_SESSION_LOCKS,
    App,
    count_locks,
    drain,
    fill_storage_without_id,
    leave_and_return,
    log,
    open_devtools,
    read_outbox,
    wait_for_client,
    wait_for_state,
    wait_until_on_disk,
)
from e2e.client.page import POST, get_components
from pytest_sharedworker import HttpStatus, Latency
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.workers.shared_workers import SharedWorkers

pytestmark = pytest.mark.usefixtures("worker_clock")

TOGGLES = 50


def opt_out(page: Page) -> bool:
    is_stored: bool = page.evaluate("() => telemetry.optOut()")
    return is_stored


def opt_in(page: Page) -> None:
    page.evaluate("() => telemetry.optIn()")


def open_page(app: App, kind: str) -> Page:
    """Open the app in a browser with or, for the kind "page", without SharedWorker."""
    page = app.context.new_page()
    if kind == "page":
        page.add_init_script("delete window.SharedWorker")
    page.goto(app.origin + app.get_path())
    wait_for_client(page)
    wait_for_state(page, kind)
    return page


def expect_nothing_sent(app: App, workers: SharedWorkers) -> None:
    """Assert that no worker sends anything, and that a worker of a later visit finds nothing to send."""
    drain(workers.clock)
    assert get_components(app.gateway) == []
    assert read_outbox(app.open_blank()) == []


def test_opt_out_with_full_storage_holds_everywhere(
    app: App, gateway: Gateway, shared_workers: SharedWorkers
) -> None:
    page, other = app.open(), app.open()
    log(page, "before")
    log(other, "before-too")
    page.evaluate(FILL_STORAGE)
    assert opt_out(page) is True, "the installation id made room"
    wait_for_state(other, "off")
    log(other, "after")
    other.reload()
    wait_for_client(other)
    log(other, "after-reload")
    page.reload()
    wait_for_client(page)
    log(page, "after-reload-too")
    assert page.evaluate("() => telemetry.state()") == "off"
    expect_nothing_sent(app, shared_workers)


def test_opt_out_that_cannot_be_stored_holds_everywhere(
    app: App, gateway: Gateway, shared_workers: SharedWorkers
) -> None:
    page, other, other_build = app.open(), app.open(), app.open(OTHER_BUILD)
    for tab, name in ((page, "before"), (other, "before-too"), (other_build, "before-as-well")):
        log(tab, name)
    shared_workers.clock.settle()
    fill_storage_without_id(page, other, other_build)
    assert opt_out(page) is False
    assert page.evaluate("(key) => localStorage.getItem(key)", CONSENT_KEY) is None
    for tab in (page, other, other_build):
        wait_for_state(tab, "off")
        log(tab, "after")
        assert tab.evaluate("() => telemetry.isEnabled()") is False
    page.reload()
    wait_for_client(page)
    log(page, "after-reload")
    log(app.open(state="off"), "in-a-new-tab")
    expect_nothing_sent(app, shared_workers)


def test_opt_out_is_stored_as_soon_as_there_is_room(
    app: App, gateway: Gateway, shared_workers: SharedWorkers
) -> None:
    page, other = app.open(), app.open()
    fill_storage_without_id(page, other)
    assert opt_out(page) is False
    wait_for_state(other, "off")
    page.evaluate("() => localStorage.clear()")
    log(other, "after")
    # Another process, which learns of the room a moment later.
    other.wait_for_function("(key) => localStorage.getItem(key) === 'false'", arg=CONSENT_KEY)
    page.reload()
    wait_for_client(page)
    log(page, "after-reload")
    expect_nothing_sent(app, shared_workers)


def test_unstored_opt_out_holds_in_a_tab_that_could_write_it(app: App, shared_workers: SharedWorkers) -> None:
    """Chromium accepts a write before it knows that another tab has filled the storage, and takes it back."""
    page, other = app.open(), app.open()
    other.evaluate(
        "(key) => new BroadcastChannel(key).postMessage({ type: 'SHUTDOWN', id: '', unstored: true })",
        CONSENT_KEY,
    )
    wait_for_state(page, "off")
    assert page.evaluate("(key) => localStorage.getItem(key)", CONSENT_KEY) == "false"
    other.evaluate("() => localStorage.clear()")
    log(page, "after")
    assert page.evaluate("() => telemetry.state()") == "off"
    expect_nothing_sent(app, shared_workers)


def test_consent_given_again_after_an_unstored_opt_out(
    app: App, gateway: Gateway, shared_workers: SharedWorkers
) -> None:
    page, other = app.open(), app.open()
    log(page, "before")
    shared_workers.clock.settle()
    fill_storage_without_id(page, other)
    assert opt_out(page) is False
    wait_for_state(other, "off")
    page.evaluate("() => localStorage.clear()")
    opt_in(page)
    for tab, name in ((page, "after"), (other, "after-too")):
        wait_for_state(tab, "worker")
        log(tab, name)
    drain(shared_workers.clock)
    assert get_components(gateway) == ["after", "after-too"]


def test_no_telemetry_where_an_opt_out_could_not_be_stored(
    app: App, gateway: Gateway, shared_workers: SharedWorkers
) -> None:
    app.open_blank().evaluate(FILL_STORAGE)
    page = app.open(state="off")
    log(page, "without-room")
    assert page.evaluate("() => telemetry.isEnabled()") is False
    expect_nothing_sent(app, shared_workers)


@pytest.mark.parametrize("opts_in", [False, True], ids=["off", "off-and-on"])
def test_opt_out_reaches_another_client_of_the_page(
    app: App, gateway: Gateway, shared_workers: SharedWorkers, opts_in: bool
) -> None:
    page = app.open()
    page.evaluate(
        """(build) => new Promise((resolve) => {
            self.second = createClient(build);
            const timer = setInterval(() => {
                if (second.state() !== "worker") return;
                clearInterval(timer);
                resolve();
            }, 10);
        })""",
        OTHER_BUILD,
    )
    page.evaluate("() => second.logEvent({ componentId: 'before' })")
    shared_workers.clock.settle()
    page.evaluate("(optsIn) => { telemetry.optOut(); if (optsIn) telemetry.optIn(); }", opts_in)
    if not opts_in:
        assert page.evaluate("() => [telemetry.state(), second.state()]") == ["off", "off"]
    drain(shared_workers.clock)
    assert get_components(gateway) == []


def test_opt_out_in_a_frame_holds_in_its_page(
    app: App, gateway: Gateway, shared_workers: SharedWorkers
) -> None:
    page = app.open()
    log(page, "before")
    shared_workers.clock.settle()
    page.evaluate(
        """(url) => new Promise((resolve) => {
            const frame = document.createElement("iframe");
            frame.src = url;
            frame.onload = resolve;
            document.body.append(frame);
        })""",
        app.get_path(OTHER_BUILD),
    )
    frame = page.frames[1]
    frame.wait_for_function("() => self.telemetry?.state() === 'worker'")
    frame.evaluate("() => telemetry.logEvent({ componentId: 'before-in-frame' })")
    shared_workers.clock.settle()
    frame.evaluate("() => telemetry.optOut()")
    wait_for_state(page, "off")
    log(page, "after")
    expect_nothing_sent(app, shared_workers)


def test_opt_out_elsewhere_holds_in_a_busy_page_session(app: App) -> None:
    """The page learns of the opt-out and of the consent that follows it at the end of a long task."""
    page, other = open_page(app, "page"), open_page(app, "page")
    log(page, "before")
    wait_until_on_disk(page, "before")
    page.evaluate(
        """() => {
            states.length = 0;
            setTimeout(() => { for (const end = Date.now() + 300; Date.now() < end; ); });
        }"""
    )
    other.evaluate("() => { telemetry.optOut(); telemetry.optIn(); }")
    page.wait_for_function("() => states.includes('off') && telemetry.state() === 'page'")
    log(page, "after")
    wait_until_on_disk(page, "after")
    assert read_outbox(page) == ["after"]


@pytest.mark.parametrize("opts_in", [False, True], ids=["off", "off-and-on"])
@pytest.mark.parametrize("kind", ["worker", "page"])
def test_opt_out_elsewhere_holds_in_a_cached_page(
    caching_app: App,
    gateway: Gateway,
    shared_workers: SharedWorkers,
    read_stored: Callable[[], list[str]],
    browser_name: str,
    kind: str,
    opts_in: bool,
) -> None:
    page = open_page(caching_app, kind)
    other = caching_app.open()

    def withdraw() -> None:
        opt_out(other)
        if opts_in:
            opt_in(other)
            wait_for_state(other, "worker")

    with gateway.add_toxic(HttpStatus(503), on=POST, optional=True):
        log(page, "before")
        shared_workers.clock.settle()
        is_restored = leave_and_return(caching_app, page, withdraw)
        # A page with unfinished requests is loaded again, and in Firefox one with a worker.
        assert is_restored or kind == "page" or browser_name == "firefox"
        if opts_in:
            wait_for_state(page, kind)
        else:
            wait_for_state(page, "off")
    log(page, "after")
    caching_app.leave(page)
    drain(shared_workers.clock)
    assert read_stored() == (["after"] if opts_in else [])


@pytest.mark.parametrize("opts_in", [False, True], ids=["off", "off-and-on"])
def test_opt_out_drops_what_a_cached_page_could_not_send(
    caching_app: App,
    gateway: Gateway,
    shared_workers: SharedWorkers,
    read_stored: Callable[[], list[str]],
    opts_in: bool,
) -> None:
    other = caching_app.open_blank()
    with gateway.add_toxic(Latency(latency=700), on="GET **/telemetry.worker.js"):
        page = open_page(caching_app, "starting")
        log(page, "before")

        def withdraw() -> None:
            other.evaluate("(key) => localStorage.setItem(key, 'false')", CONSENT_KEY)
            if opts_in:
                other.evaluate("(key) => localStorage.setItem(key, 'true')", CONSENT_KEY)

        leave_and_return(caching_app, page, withdraw)
        if opts_in:
            wait_for_state(page, "worker")
    drain(shared_workers.clock)
    assert read_stored() == []


def test_cached_page_sends_what_it_logged_before(
    caching_app: App, gateway: Gateway, shared_workers: SharedWorkers, read_stored: Callable[[], list[str]]
) -> None:
    with gateway.add_toxic(Latency(latency=700), on="GET **/telemetry.worker.js"):
        page = open_page(caching_app, "starting")
        log(page, "before")
        if not leave_and_return(caching_app, page):
            pytest.skip("the browser does not cache a page whose worker starts")
        log(page, "after")
        wait_for_state(page, "worker")
    drain(shared_workers.clock)
    assert read_stored() == ["after", "before"]


def test_returns_from_the_cache_leave_one_session_of_the_page(
    caching_app: App, gateway: Gateway, read_stored: Callable[[], list[str]]
) -> None:
    page = open_page(caching_app, "page")
    for number in range(4):
        log(page, f"visit-{number}")
        leave_and_return(caching_app, page)
        wait_for_state(page, "page")
    log(page, "before")
    opt_out(page)
    opt_in(page)
    wait_for_state(page, "page")
    log(page, "after")
    wait_until_on_disk(page, "after")
    caching_app.leave(page)
    gateway.journal.wait_for(POST, count=5)
    assert read_stored() == ["after", *(f"visit-{number}" for number in range(4))]


@pytest.mark.parametrize("opts_in", [False, True], ids=["off", "off-and-on"])
def test_opt_out_while_starting(
    app: App, gateway: Gateway, shared_workers: SharedWorkers, opts_in: bool
) -> None:
    other = app.open_blank()
    with gateway.add_toxic(Latency(latency=700), on="GET **/telemetry.worker.js"):
        page = app.open(state="starting")
        log(page, "before")
        assert opt_out(page) is True
        if opts_in:
            opt_in(page)
            log(page, "after")
            wait_for_state(page, "worker")
    drain(shared_workers.clock)
    assert get_components(gateway) == (["after"] if opts_in else [])
    assert read_outbox(other) == []


@pytest.mark.usefixtures("needs_devtools")
def test_opt_out_holds_in_the_worker_of_a_frozen_tab(
    app: App, gateway: Gateway, shared_workers: SharedWorkers
) -> None:
    page, frozen = app.open(), app.open(OTHER_BUILD)
    log(frozen, "before")
    shared_workers.clock.settle()
    with open_devtools(frozen) as devtools:
        devtools.send("Page.setWebLifecycleState", {"state": "frozen"})
        opt_out(page)
        expect_nothing_sent(app, shared_workers)
        devtools.send("Page.setWebLifecycleState", {"state": "active"})


def test_failed_write_of_an_ended_session_is_not_repeated(app: App, gateway: Gateway) -> None:
    """A page was in the cache: its session ended then, and an opt-out ends the next one."""
    gateway.add_toxic(HttpStatus(503), on=POST, optional=True)
    app.context.clock.install()
    page = open_page(app, "page")
    page.evaluate(
        """() => {
            self.realPut = IDBObjectStore.prototype.put;
            IDBObjectStore.prototype.put = () => { throw new DOMException("full", "QuotaExceededError"); };
        }"""
    )
    log(page, "before")
    page.wait_for_function("() => warnings.some((warning) => warning.includes('in memory only'))")
    for kind in ("pagehide", "pageshow"):
        page.evaluate("(kind) => dispatchEvent(new PageTransitionEvent(kind, { persisted: true }))", kind)
    wait_for_state(page, "page")
    page.evaluate("() => { IDBObjectStore.prototype.put = realPut; telemetry.optOut(); }")
    page.clock.run_for(10_000)
    assert read_outbox(page) == []


def test_privacy_control_for_a_while_drops_only_what_was_logged_before(
    app: App, shared_workers: SharedWorkers, read_stored: Callable[[], list[str]]
) -> None:
    """The tab has logged nothing meanwhile, and so has not ended the session."""
    page = app.open()
    log(page, "before")
    shared_workers.clock.settle()
    worker = shared_workers.wait_for()
    control = (
        "() => Object.defineProperty(navigator, 'globalPrivacyControl', {{ value: {}, configurable: true }})"
    )
    worker.evaluate(control.format("true"))
    shared_workers.clock.run_for(FLUSH_INTERVAL_MS)
    worker.evaluate(control.format("false"))
    log(page, "after")
    drain(shared_workers.clock)
    assert read_stored() == ["after"]
    assert read_outbox(page) == []


def test_opt_out_leaves_no_locks(app: App, gateway: Gateway, shared_workers: SharedWorkers) -> None:
    page, other = app.open(), app.open()
    before = count_locks(page)
    for number in range(TOGGLES):
        log(page, f"before-{number}")
        opt_out(page)
        opt_in(page)
        wait_for_state(page, "worker")
    wait_for_state(other, "worker")
    shared_workers.clock.settle()
    page.wait_for_function(
        """async (before) => {
            const { held, pending } = await navigator.locks.query();
            return held.length <= before.held && pending.length <= before.pending;
        }""",
        arg=before,
    )
    log(page, "after")
    drain(shared_workers.clock)
    assert "after" in get_components(gateway)


def test_opt_out_reaches_a_worker_whose_lock_was_stolen(
    app: App, gateway: Gateway, shared_workers: SharedWorkers
) -> None:
    page = app.open()
    log(page, "before")
    shared_workers.clock.settle()
    page.evaluate(STEAL_SESSION_LOCKS)
    opt_out(page)
    expect_nothing_sent(app, shared_workers)
