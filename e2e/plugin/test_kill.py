"""Real crashes: of a tab's renderer, and of the whole browser; and what works afterwards.

test_workers.py tests the end of a worker alone.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Page

from e2e.plugin.app import ECHO, App
from pytest_sharedworker import PersistentBrowser, SharedWorkerError, UnsupportedError, crash

NEEDS_CRASH = pytest.mark.usefixtures("needs_crash")

STORE = """(value) => new Promise((resolve, reject) => {
    const opening = indexedDB.open("outbox");
    opening.onupgradeneeded = () => opening.result.createObjectStore("events");
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
        const writing = opening.result.transaction("events", "readwrite", { durability: "strict" });
        writing.objectStore("events").put(value, "first");
        writing.oncomplete = () => resolve();
    };
})"""
READ = """() => new Promise((resolve, reject) => {
    const opening = indexedDB.open("outbox");
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
        const reading = opening.result.transaction("events").objectStore("events").get("first");
        reading.onsuccess = () => resolve(reading.result);
    };
})"""


def list_processes(profile: Path) -> list[bytes]:
    lines = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # The process has ended.
            lines.append((process / "cmdline").read_bytes())
    return [line for line in lines if os.fsencode(profile) in line]


@NEEDS_CRASH
def test_crash_of_the_starting_tab_ends_the_worker(app: App) -> None:
    app.gateway.serve("/worker.js", ECHO)
    first, second = app.open(), app.open()
    app.connect(first)
    worker = app.workers.wait_for()
    app.connect(second)
    crash(first)
    worker.wait_for_close()
    assert second.evaluate("document.title") == "app"
    app.connect(second)
    assert app.workers.wait_for() is not worker


@NEEDS_CRASH
def test_crash_of_another_tab_leaves_the_worker_alive(app: App) -> None:
    worker = app.start()
    other = app.open()
    app.connect(other)
    other.evaluate("worker.port.postMessage('before')")
    app.workers._manager.settle_messages()
    crash(other)
    worker.clock.run_for(1_000)
    assert worker.evaluate("log.map(([what]) => what)") == ["before"]


@NEEDS_CRASH
def test_crashed_page_reports_the_crash_and_closes(app: App) -> None:
    page = app.open()
    crashed: list[Page] = []
    page.on("crash", lambda page: crashed.append(page))
    crash(page)
    assert crashed == [page]
    page.close()
    assert app.open().title() == "app"


@pytest.mark.only_browser("firefox")
def test_crash_in_firefox_is_unsupported(app: App) -> None:
    with pytest.raises(UnsupportedError, match=r"^only Chromium crashes .*$"):
        crash(app.open())


def test_flushed_data_survives_a_kill(app: App, persistent_browser: PersistentBrowser) -> None:
    app.open(persistent_browser.context).evaluate(STORE, "an event")
    persistent_browser.kill()
    page = app.open(persistent_browser.reopen())
    assert page.evaluate(READ) == "an event"


def test_workers_of_a_killed_browser_end_and_new_ones_are_found(
    app: App, persistent_browser: PersistentBrowser
) -> None:
    app.gateway.serve("/worker.js", ECHO)
    app.connect(app.open(persistent_browser.context))
    before = app.workers.wait_for()
    assert before.evaluate("1 + 1") == 2
    persistent_browser.kill()
    before.wait_for_close()
    app.connect(app.open(persistent_browser.reopen()))
    after = app.workers.wait_for()
    after.evaluate("() => { setTimeout(() => note('timer'), 1000); }")
    after.clock.run_for(1_000)
    assert after.evaluate("log") == [["timer", 1000]]
    assert app.workers.history == [before, after]
    after.terminate()
    assert app.workers.alive == []


def test_pages_of_a_killed_browser_receive_no_events(app: App, persistent_browser: PersistentBrowser) -> None:
    app.gateway.serve("/beacon", "", content_type="text/plain")
    page = app.open(persistent_browser.context)
    page.evaluate("addEventListener('pagehide', () => navigator.sendBeacon('/beacon')); 0")
    persistent_browser.kill()
    persistent_browser.reopen()
    assert app.gateway.journal.select("/beacon") == []


def test_kill_leaves_other_browsers_alive(app: App, persistent_browser: PersistentBrowser) -> None:
    worker = app.start()
    persistent_browser.kill()
    assert worker.evaluate("1 + 1") == 2


def test_reopen_needs_a_killed_browser_and_kill_a_running_one(
    persistent_browser: PersistentBrowser,
) -> None:
    with pytest.raises(SharedWorkerError, match=r"still running: kill\(\)"):
        persistent_browser.reopen()
    persistent_browser.kill()
    with pytest.raises(SharedWorkerError, match=r"no browser is running .* reopen\(\)"):
        persistent_browser.kill()


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="processes are listed in /proc, on Linux only")
def test_killed_browser_leaves_no_processes(app: App, persistent_browser: PersistentBrowser) -> None:
    app.open(persistent_browser.context)
    assert list_processes(persistent_browser.profile)
    persistent_browser.kill()
    assert list_processes(persistent_browser.profile) == []
