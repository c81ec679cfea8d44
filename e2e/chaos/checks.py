"""The check at the end of a system: remove all faults, give it time, and compare the store with the model."""

from __future__ import annotations

from e2e.chaos.model import Verdict
from e2e.chaos.system import BATCHES, SystemUnderTest

MAX_BACKOFF_SECONDS = 900
LAST_SPANS_SECONDS = (30, 30, *[MAX_BACKOFF_SECONDS] * 12)
"""The time that a system gets at the end: two flushes, then the longest pause after failures, repeatedly."""


def compare_with_model(system: SystemUnderTest) -> Verdict:
    """Bring the system to rest and return what the model says about the store.

    Raise BrokenPromiseError where a tab does not connect or a worker does not acknowledge.
    """
    if not system.tabs:
        system.open_tab()
    _repair(system)
    for build in system.tabs.list_builds():  # Each outbox needs a worker that posts what is left in it.
        system.open_tab(build)
    tab = system.tabs.get(0)
    if not system.consent:  # What was dropped must not arrive after a later consent either.
        system.opt_in(tab)
    system.log_events(tab)
    system.settle()
    # A worker that got a 404 sends nothing more; the next one does.
    system.terminate_worker()
    _wait_until_stored(system)
    system.wait_for_acknowledgments()
    _expect_rest(system)
    system.exempt_gaps()
    system.gateway._raise_handler_error()
    return system.model.compare(system.server.get_records())


def check(system: SystemUnderTest) -> Verdict:
    """Do as `compare_with_model`, and raise BrokenPromiseError unless the verdict is balanced."""
    verdict = compare_with_model(system)
    if not verdict.balanced:
        raise system.step_log.make_error(str(verdict))
    return verdict


def _repair(system: SystemUnderTest) -> None:
    system.remove_request_faults()
    if not system.server.is_running:
        system.restart_server()
    system.set_offline(False)
    system.site_data.repair()


def _expect_rest(system: SystemUnderTest) -> None:
    """Expect that no worker posts any more: a record that is stored must not be sent again and again."""
    if not _is_stored(system):
        return  # The verdict tells what is lost.
    system.advance_clocks(MAX_BACKOFF_SECONDS)
    posts = len(system.gateway.journal.select(BATCHES))
    system.advance_clocks(MAX_BACKOFF_SECONDS)
    further = system.gateway.journal.select(BATCHES)[posts:]
    if further:
        raise system.step_log.make_error(f"a worker still posts what is stored: {further[-1]}")


def _wait_until_stored(system: SystemUnderTest) -> None:
    """Let time pass until all required events are stored, or the last time span is over."""
    system.step_log.add(f"up to {sum(LAST_SPANS_SECONDS) / 3600:.1f} h pass")
    for seconds in LAST_SPANS_SECONDS:
        system.settle()
        if _is_stored(system):
            break
        system.advance_clocks(seconds)


def _is_stored(system: SystemUnderTest) -> bool:
    """Return whether all events are stored that must be."""
    return system.model.get_required_keys() <= set(system.server.get_stored_keys())
