"""Lifecycle: a script of the origin steals the Web Locks that a worker holds.

A lock can be taken from its holder at any time (`steal`), and any script of the origin may do so. A worker
without locks is not affected.
"""

from __future__ import annotations

from e2e.conformance.case import FindingError, Level, case
from e2e.conformance.preconditions import require_supported
from e2e.worker.driver.requests import advance_within_post_limit
from e2e.worker.driver.retry import drain, require_virtual_time
from e2e.worker.driver.system import Telemetry
from e2e.worker.driver.tab import Tab
from e2e.worker.driver.waiting import HOUR_MS

STEALING = "W3C, Web Locks, 2.5: steal releases a held lock, whoever holds it"
MAX_POSTS = 30

STEAL_ALL = """async () => {
    const { held } = await navigator.locks.query();
    for (const { name } of held) await navigator.locks.request(name, { steal: true }, () => {});
    return held.length;
}"""
COUNT_HELD = "async () => (await navigator.locks.query()).held.length"
IS_HELD = "async (name) => (await navigator.locks.query()).held.some((lock) => lock.name === name)"


def steal_locks(telemetry: Telemetry, tab: Tab) -> None:
    """Steal and release all locks of the origin."""
    telemetry.settle()
    tab.page.evaluate(STEAL_ALL)
    telemetry.settle()


def require_locks(telemetry: Telemetry, tab: Tab) -> None:
    """Skip the case unless the worker holds a lock."""
    telemetry.settle()
    require_supported(tab.page.evaluate(COUNT_HELD), "the worker holds no locks")


@case(
    "lifecycle/8/1",
    Level.MUST,
    "A worker whose locks are stolen again and again sends its events once, and does not send in a storm.",
    expected=f"all stored once, at most {MAX_POSTS} POST in an hour",
    source=STEALING,
)
def test_stolen_locks_lose_nothing(telemetry: Telemetry) -> None:
    require_virtual_time(telemetry)
    tab, other = telemetry.open_tabs(2)
    tab.log(2)
    require_locks(telemetry, tab)
    for _ in range(5):
        steal_locks(telemetry, other)
        tab.log(2)
        telemetry.flush(2)
    advance_within_post_limit(telemetry, HOUR_MS, MAX_POSTS)
    telemetry.open_tab().log(2)
    drain(telemetry)
    telemetry.account()


@case(
    "lifecycle/8/2",
    Level.SHOULD,
    "A worker acquires a lock again that was stolen: a tab that connects later can wait for its end.",
    expected="the lock that READY names is held, an hour later",
    source="protocol extension, READY: `lock` names a Web Lock that the worker holds until it terminates",
)
def test_stolen_lock_is_acquired_again(telemetry: Telemetry) -> None:
    require_virtual_time(telemetry)
    tab = telemetry.open_tab()
    tab.log()
    require_locks(telemetry, tab)
    steal_locks(telemetry, tab)
    telemetry.run_for(HOUR_MS)
    later = telemetry.open_tab()
    later.log()
    drain(telemetry)
    names = [message["lock"] for message in later.messages if "lock" in message]
    require_supported(names, "READY names no lock")
    if not later.page.evaluate(IS_HELD, names[-1]):
        raise FindingError("the lock that READY names is held", f"{names[-1]} is free")
    telemetry.account()


@case(
    "lifecycle/8/3",
    Level.SHOULD,
    "What a worker with stolen locks has queued is sent once, although a second build of it starts then.",
    expected="all stored once",
    source=STEALING,
)
def test_second_build_beside_a_worker_with_stolen_locks(telemetry: Telemetry) -> None:
    require_virtual_time(telemetry)
    tab = telemetry.open_tab()
    tab.log(3)
    require_locks(telemetry, tab)
    steal_locks(telemetry, tab)
    new = telemetry.open_tab(connect=False)
    folder, _, _ = telemetry.script_path.rpartition("/")
    new.script_url = f"{folder}/new-build-of.worker.js"
    script = telemetry.implementation.worker.script.read_bytes()
    telemetry.gateway.serve(new.script_url, script, content_type="text/javascript")
    new.connect()
    for each in (new, tab):
        each.log(3)
    telemetry.flush(2)
    drain(telemetry)
    telemetry.account()
