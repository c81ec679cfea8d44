"""Virtual time and Web Locks: the clock waits for free locks, not for held ones."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from e2e.plugin.app import App, read_log
from pytest_sharedworker import Clock, SharedWorker

HOLD = """() => new Promise((resolve) => {
    navigator.locks.request("outbox", () => {
        resolve();
        return new Promise((release) => { self.release = release; });
    }).catch(() => {});
})"""
REQUEST = "() => { navigator.locks.request('outbox', () => note('granted')); setTimeout(note, 5, 'timer'); }"


@pytest.fixture
def holder(app: App, worker: SharedWorker) -> Page:
    """Open a tab that holds the lock."""
    page = app.open()
    page.evaluate(HOLD)
    return page


def test_clock_waits_until_free_locks_are_granted(app: App, worker: SharedWorker, clock: Clock) -> None:
    app.gateway.serve("/data", "served", content_type="text/plain")
    worker.evaluate("""() => {
        const work = async () => note(await (await fetch("/data")).text());
        setTimeout(() => {
            for (let number = 0; number < 3; number++) navigator.locks.request("outbox", work);
            navigator.locks.request("another", async () => note("another"));
            navigator.locks.request("shared", { mode: "shared" }, work);
            navigator.locks.request("shared", { mode: "shared" }, work);
        }, 1000);
        setTimeout(note, 1001, "after");
    }""")
    clock.run_for(2_000)
    *granted, last = read_log(worker)
    assert sorted(granted) == [["another", 1_000], *[["served", 1_000]] * 5]
    assert last == ["after", 1_001]
    assert clock.state()["pending"] == []


def test_lock_held_by_the_worker_does_not_stop_the_clock(worker: SharedWorker, clock: Clock) -> None:
    worker.evaluate(HOLD)
    worker.evaluate(REQUEST)
    clock.run_for(3_600_000)
    assert read_log(worker) == [["timer", 5]]
    worker.evaluate("() => { setTimeout(release, 1000); setTimeout(note, 1001, 'after'); }")
    clock.run_for(2_000)
    assert read_log(worker)[1:] == [["granted", 3_601_000], ["after", 3_601_001]]


def test_release_after_a_theft_does_not_stop_the_clock(app: App, worker: SharedWorker, clock: Clock) -> None:
    worker.evaluate(HOLD)
    app.open().evaluate("() => navigator.locks.request('outbox', { steal: true }, () => {})")
    worker.evaluate("() => { setTimeout(release, 1000); setTimeout(note, 1001, 'after'); }")
    clock.run_for(2_000)
    assert read_log(worker) == [["after", 1_001]]


def test_lock_held_by_a_tab_does_not_stop_the_clock(worker: SharedWorker, clock: Clock, holder: Page) -> None:
    worker.evaluate(REQUEST)
    clock.run_for(1_000)
    assert read_log(worker) == [["timer", 5]]
    assert clock.state()["pending"] == [{"what": "the lock outbox", "held": True}]
    worker.evaluate("() => { setTimeout(note, 1, 'next timer'); }")
    holder.evaluate("() => { release(); }")
    clock.run_for(1_000)
    assert read_log(worker)[1:] == [["granted", 1_000], ["next timer", 1_001]]


def test_lock_is_granted_after_its_tab_is_closed(worker: SharedWorker, clock: Clock, holder: Page) -> None:
    worker.evaluate(REQUEST)
    clock.run_for(1_000)
    holder.close()
    clock.run_for(1_000)
    assert read_log(worker)[1:] == [["granted", 1_000]]


@pytest.mark.virtual_tabs
def test_lock_released_at_the_end_of_a_move_is_granted_in_it(
    worker: SharedWorker, clock: Clock, holder: Page
) -> None:
    worker.evaluate(REQUEST)
    holder.evaluate(
        "() => { new SharedWorker('/worker.js', {}).port.start(); setTimeout(() => release(), 1000); }"
    )
    clock.run_for(1_000)
    assert read_log(worker) == [["timer", 5], ["granted", 1_000]]


def test_options_of_a_lock_request_keep_their_meaning(
    worker: SharedWorker, clock: Clock, holder: Page
) -> None:
    worker.evaluate("""() => {
        const failed = ({ name }) => note(name);
        const request = (options) => navigator.locks.request("outbox", options, (lock) => {
            note(lock && lock.mode);
            return "value";
        });
        setTimeout(async () => {
            note(await request({ ifAvailable: true }));
            await request({ signal: AbortSignal.timeout(3000) }).catch(failed);
            note(await request({ steal: true }));
            await request({ steal: true, ifAvailable: true }).catch(failed);
            await navigator.locks.request("outbox", () => { throw new RangeError(); }).catch(failed);
            await navigator.locks.request("outbox").catch(failed);
            note((await navigator.locks.query()).held.length);
        }, 1000);
        setTimeout(note, 4001, "after");
    }""")
    clock.run_for(5_000)
    assert read_log(worker) in [
        [
            [None, 1_000], ["value", 1_000], [timeout, 4_000], ["exclusive", 4_000], ["value", 4_000],
            ["NotSupportedError", 4_000], ["RangeError", 4_000], ["TypeError", 4_000], [0, 4_000],
            ["after", 4_001],
        ]
        for timeout in ("TimeoutError", "AbortError")  # Firefox reports every abort as an AbortError.
    ]  # fmt: skip


def test_unhandled_rejections_are_errors_of_the_worker(worker: SharedWorker, clock: Clock) -> None:
    worker.evaluate("""() => {
        navigator.locks.request("outbox", () => { throw new RangeError("in the lock"); });
        fetch("http://[");
    }""")
    clock.settle()
    assert sorted(error.message.split(":")[1] for error in worker.errors()) == [" RangeError", " TypeError"]


NAMES = "navigator.locks.query().then(({ held, pending }) => [...held, ...pending].map(({ name }) => name))"


def test_query_lists_only_locks_of_the_app(app: App, worker: SharedWorker) -> None:
    names = worker.evaluate(f"() => navigator.locks.request('outbox', () => {NAMES})")
    assert names == ["outbox"]
    own = """() => new Promise((resolve) => {
        navigator.locks.request("pytest-sharedworker 1", () => { resolve(); return new Promise(() => {}); });
    })"""
    worker.evaluate(own)
    assert worker.evaluate(NAMES) == []
    assert app.context.pages[0].evaluate(NAMES) == []
