"""Storage: the worker's databases are cleared, upgraded by another build, full, blocked.

Whatever happens to them, a worker that runs has its events in memory, and sends them. What it confirms as
durable (STORED without `durable: false`) has to be on disk. A worker that keeps its queue in memory only
confirms nothing: it passes the cases of the first kind, and the others do not apply.
"""

from __future__ import annotations

from typing import Any

import pytest

from e2e.conformance.accounting import Fate
from e2e.conformance.case import FindingError, Level, case
from e2e.worker.driver.confirmation import (
    get_confirmed_events,
    identify,
    open_identified_tab,
    release_unconfirmed_events,
    require_confirmation,
)
from e2e.worker.driver.retry import drain, require_virtual_time
from e2e.worker.driver.storage_faults import STORAGE_FAULTS, StorageFault, hold_writes
from e2e.worker.driver.system import Telemetry, set_fate
from e2e.worker.driver.tab import Tab
from e2e.worker.driver.waiting import HOUR_MS
from pytest_sharedworker import HttpStatus

IN_MEMORY = "data safety: a worker that runs can send what it has accepted, whatever happens to its disk"
CONFIRMED = "protocol extension, STORED: what is confirmed as durable survives the worker"
WORKER_TURNS = 20
RECOVERY = (
    "data safety: after a passing fault of the storage a worker does not keep its queue in memory for good"
)


def make_cases(group: int, level: Level, requirement: str, expected: str, source: str) -> list[Any]:
    """Return a parameter per fault; `requirement` has a placeholder for its words."""
    return [
        pytest.param(
            fault,
            id=name,
            marks=case(
                f"storage/{group}/{number}",
                level,
                requirement.format(fault.words),
                expected=expected,
                source=source,
            ),
        )
        for number, (name, fault) in enumerate(STORAGE_FAULTS.items(), start=1)
    ]


def begin_fault(telemetry: Telemetry, fault: StorageFault, *, must_confirm: bool = True) -> Tab:
    """Let a worker create its databases, let the fault happen, and return the tab of a running worker.

    Skip the case if it is about what the worker confirms, and the worker confirmed nothing before the fault.
    """
    if fault.init_script:
        telemetry.workers.add_init_script(fault.init_script)
    tab = open_identified_tab(telemetry)
    tab.log()
    telemetry.flush()
    if must_confirm:
        require_confirmation(telemetry, tab)
    if fault.is_before_start:
        end_worker(telemetry, tab)
        tab = telemetry.open_tab(connect=False)
        fault.begin(telemetry, tab)
        identify(tab)
        tab.connect()
    else:
        tab.log(2)
        telemetry.settle()
        fault.begin(telemetry, tab)
    if fault.deletes:
        set_fate(telemetry.events, Fate.OPTIONAL)
    return tab


def end_worker(telemetry: Telemetry, tab: Tab) -> None:
    """Close the only tab and return when its worker has ended."""
    worker = telemetry.workers.wait_for()
    tab.close()
    worker.wait_for_close()


def reopen_app(telemetry: Telemetry) -> None:
    """Log in a new tab, and give its worker time to send what an earlier one has left."""
    telemetry.open_tab().log()
    drain(telemetry)


@pytest.mark.parametrize(
    "fault",
    make_cases(
        1,
        Level.MUST,
        "A worker sends what is logged after {}.",
        "all stored once, while the worker runs",
        IN_MEMORY,
    ),
)
def test_events_are_sent_whatever_happens_to_storage(telemetry: Telemetry, fault: StorageFault) -> None:
    require_virtual_time(telemetry)
    tab = begin_fault(telemetry, fault, must_confirm=False)
    tab.log(2)
    telemetry.flush()
    tab.log(2)
    drain(telemetry)
    telemetry.account()


@pytest.mark.parametrize(
    "fault",
    make_cases(
        2,
        Level.MUST,
        "What a worker confirms as durable after {} is sent although the worker is terminated.",
        "each event that was confirmed stored once, at most an hour after the app was opened again",
        CONFIRMED,
    ),
)
def test_confirmed_events_survive(telemetry: Telemetry, fault: StorageFault) -> None:
    require_virtual_time(telemetry)
    with telemetry.break_posts(HttpStatus(503)):
        tab = begin_fault(telemetry, fault)
        for _ in range(2):
            tab.log(2)
            telemetry.flush()
        release_unconfirmed_events(telemetry, tab)
        telemetry.workers.wait_for().terminate()
    if fault.init_script is None:  # What a script has done to a worker ends with it.
        fault.end(telemetry, tab)
    reopen_app(telemetry)
    telemetry.account()


@pytest.mark.parametrize(
    "fault",
    make_cases(
        3,
        Level.SHOULD,
        "A worker keeps events on disk again an hour after {}, if that is over.",
        "all logged since then stored once, although the worker is terminated, and later ones confirmed",
        RECOVERY,
    ),
)
def test_storage_is_used_again(telemetry: Telemetry, fault: StorageFault) -> None:
    require_virtual_time(telemetry)
    with telemetry.break_posts(HttpStatus(503)):
        tab = begin_fault(telemetry, fault)
        tab.log(2)
        telemetry.flush()
        fault.end(telemetry, tab)
        telemetry.run_for(HOUR_MS)
        later = tab.log(2)
        telemetry.flush()
        confirmed = get_confirmed_events(telemetry, tab)
        if not all(event in confirmed for event in later):
            raise FindingError("later events confirmed as durable", f"messages {tab.messages[-2:]}")
        telemetry.workers.wait_for().terminate()
    reopen_app(telemetry)
    telemetry.account()


@pytest.mark.parametrize(
    "fault",
    make_cases(
        4,
        Level.SHOULD,
        "A worker confirms, as durable or not, what is logged after {}.",
        "STORED within two intervals",
        "protocol extension, STORED: a tab keeps each event, and sends it again, until it is confirmed",
    ),
)
def test_events_are_confirmed_whatever_happens_to_storage(telemetry: Telemetry, fault: StorageFault) -> None:
    require_virtual_time(telemetry)
    tab = begin_fault(telemetry, fault)
    tab.log(2)
    telemetry.flush(2)
    if not get_confirmed_events(telemetry, tab, as_durable=False)[-2:] == tab.events[-2:]:
        raise FindingError("STORED within two intervals", f"messages {tab.messages}")
    drain(telemetry)
    telemetry.account()


@case(
    "storage/5/1",
    Level.MUST,
    "A worker does not confirm an event that a tab sends twice before it is on disk.",
    expected="each event that was confirmed stored once, although the worker is terminated",
    source=CONFIRMED,
)
def test_event_sent_twice_is_not_confirmed_before_it_is_on_disk(telemetry: Telemetry) -> None:
    require_virtual_time(telemetry)
    with telemetry.break_posts(HttpStatus(503)):
        tab = open_identified_tab(telemetry)
        tab.log()
        telemetry.flush()
        require_confirmation(telemetry, tab)
        hold_writes(tab)
        tab.log()
        tab.connect()  # A tab that misses a confirmation connects again, here to the same worker.
        tab.log_again(1)
        # Nothing settles while a transaction is held: wait for turns of the worker instead.
        worker = telemetry.workers.wait_for()
        for _ in range(WORKER_TURNS):
            worker.evaluate("() => new Promise((resolve) => { resolve(); })")
        release_unconfirmed_events(telemetry, tab)
        worker.terminate()
    tab.close()
    reopen_app(telemetry)
    telemetry.account()
