"""Shut a worker down and start it again, as a tab does when its user withdraws consent and gives it again.

A worker that ends at SHUTDOWN loses a start that comes in the same task: the browser connects it to the
worker that is about to end, without an error, and READY never arrives. A start some milliseconds later is a
race between browser and worker, so the driver repeats it where it was lost. It also repeats a start that the
earlier SHUTDOWN overtook: the worker has ended, or it still runs and posts SHUTDOWN to the new port too. In
WebKit it overtakes a start of the same task as well: the worker cannot know which of them came first.
"""

from __future__ import annotations

import time

from e2e.conformance.case import FindingError
from e2e.conformance.report.timeline import Kind
from e2e.worker.driver.system import Telemetry
from e2e.worker.driver.tab import CONNECT, Tab
from pytest_sharedworker.browsers.capabilities import get_capabilities

LOST_START_SECONDS = 1.0
"""A start counts as lost when no worker has been alive for this time."""

START_TIMEOUT_SECONDS = 20.0
MAX_STARTS = 5

_SHUT_DOWN_AND_START = f"""async ({{ messages, delay_ms, start }}) => {{
    for (const message of messages) window.port.postMessage(message);
    if (delay_ms) await new Promise((resolve) => setTimeout(resolve, delay_ms));
    ({CONNECT})(start);
}}"""
_START_AND_SHUT_DOWN = f"""({{ message, start }}) => {{
    ({CONNECT})(start);
    window.port.postMessage(message);
}}"""


def shut_down(telemetry: Telemetry, tab: Tab) -> None:
    """Post SHUTDOWN from the tab; return when the worker has read it and its requests have settled."""
    tab.post(_message(telemetry))
    telemetry.settle()
    # Earlier requests have arrived once this one has: the verdict must not depend on a race.
    tab.page.evaluate("() => fetch(location.href).then((response) => response.text())")


def shut_down_before_ready(telemetry: Telemetry, tab: Tab) -> None:
    """Start the worker from the tab and post SHUTDOWN before READY can arrive."""
    telemetry.recorder.record_tab(tab.name, Kind.MESSAGE, "connects and posts SHUTDOWN at once")
    arguments = {"message": _message(telemetry), "start": tab.get_start_arguments()}
    tab.page.evaluate(_START_AND_SHUT_DOWN, arguments)


def shut_down_and_restart(telemetry: Telemetry, tab: Tab, *, delay_ms: int = 0, messages: int = 1) -> int:
    """Post SHUTDOWN, start the worker again `delay_ms` later, and return how many starts that took.

    Raise FindingError if no worker posts READY to the tab and keeps running, or if a start in the same task
    (`delay_ms` is 0) was lost.
    """
    text = f"posts {messages} SHUTDOWN, starts {delay_ms} ms later"
    telemetry.recorder.record_tab(tab.name, Kind.MESSAGE, text)
    tab.page.evaluate(
        _SHUT_DOWN_AND_START,
        {
            "messages": [_message(telemetry)] * messages,
            "delay_ms": delay_ms,
            "start": tab.get_start_arguments(),
        },
    )
    if _wait_until_ready(telemetry, tab):
        return 1
    if not delay_ms and not _is_overtaken_by_browser(telemetry, tab):
        ready = telemetry.implementation.protocol.ready
        raise FindingError(f"{ready} after a start in the task of the SHUTDOWN", "none: the start was lost")
    return restart(telemetry, tab, lost=1)


def restart(telemetry: Telemetry, tab: Tab, *, lost: int = 0) -> int:
    """Start the worker, reload the page after each lost start, and return how many starts that took.

    `lost`: how many starts were lost before. Raise FindingError if no worker posts READY and keeps running.
    """
    for number in range(lost, MAX_STARTS):
        if number:
            tab.page.reload()
        tab.start_worker()
        if _wait_until_ready(telemetry, tab):
            return number + 1
    ready = telemetry.implementation.protocol.ready
    raise FindingError(f"{ready} of a new worker", f"none in {MAX_STARTS} starts")


def _is_overtaken_by_browser(telemetry: Telemetry, tab: Tab) -> bool:
    """Return whether the tab was told SHUTDOWN on a port that the browser connected too early."""
    browser = telemetry.context.browser
    assert browser is not None
    keeps_order = get_capabilities(browser.browser_type.name).keeps_connect_order
    return not keeps_order and _has_received(tab, telemetry.implementation.protocol.shutdown)


def _message(telemetry: Telemetry) -> dict[str, str]:
    return {"type": telemetry.implementation.protocol.shutdown}


def _wait_until_ready(telemetry: Telemetry, tab: Tab) -> bool:
    """Wait for READY of a worker that keeps running; return False if the start was lost."""
    protocol = telemetry.implementation.protocol
    started_at = alive_at = time.monotonic()
    while time.monotonic() < started_at + START_TIMEOUT_SECONDS:
        if _has_received(tab, protocol.ready):
            telemetry.settle()  # Afterwards a worker that was shutting down has ended, or posted SHUTDOWN.
            return bool(telemetry.workers.alive) and not _has_received(tab, protocol.shutdown)
        if telemetry.workers.alive:
            alive_at = time.monotonic()
        elif time.monotonic() > alive_at + LOST_START_SECONDS:
            return False
        telemetry.workers._manager.idle()
    return False


def _has_received(tab: Tab, message_type: str) -> bool:
    """Return whether the tab has received a message of this type on its current port."""
    return any(isinstance(message, dict) and message.get("type") == message_type for message in tab.messages)
