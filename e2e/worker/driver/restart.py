"""Shutting a worker down and starting it anew, as a tab does whose person withdraws and gives consent.

A browser may give a start that follows at once to the worker that is just ending, and tell nobody: READY
never comes. Nothing that a worker does can mend that, so a start that was lost so is made again. It is made
again too where the SHUTDOWN of before overtook it: the worker has ended then, or lives on and passes the
word to the new port as well.
"""

from __future__ import annotations

import time

from e2e.conformance.case import FindingError
from e2e.conformance.report.timeline import Kind
from e2e.worker.driver.system import Telemetry
from e2e.worker.driver.tab import CONNECT, Tab

LOST_SECONDS = 1.0
"""A start is taken for lost where no worker lives for so long."""

PATIENCE_SECONDS = 20.0
MOST_STARTS = 5

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
    """Have the tab post SHUTDOWN; returns when the worker has read it, and its requests have settled."""
    tab.post(_message(telemetry))
    telemetry.settle()
    # What was sent before has arrived when this has: the verdict must not depend on who is faster.
    tab.page.evaluate("() => fetch(location.href).then((answer) => answer.text())")


def shut_down_before_ready(telemetry: Telemetry, tab: Tab) -> None:
    """Have the tab start the worker and post SHUTDOWN in the same breath."""
    telemetry.recorder.tab(tab.name, Kind.MESSAGE, "connects and posts SHUTDOWN at once")
    arguments = {"message": _message(telemetry), "start": tab.start_arguments()}
    tab.page.evaluate(_START_AND_SHUT_DOWN, arguments)


def shut_down_and_restart(telemetry: Telemetry, tab: Tab, *, delay_ms: int = 0, messages: int = 1) -> int:
    """Post SHUTDOWN, start the worker anew so much later, and return how many starts it took.

    Raises FindingError where no worker greets the tab and stays.
    """
    telemetry.recorder.tab(tab.name, Kind.MESSAGE, f"posts {messages} SHUTDOWN, starts {delay_ms} ms later")
    tab.page.evaluate(
        _SHUT_DOWN_AND_START,
        {
            "messages": [_message(telemetry)] * messages,
            "delay_ms": delay_ms,
            "start": tab.start_arguments(),
        },
    )
    return 1 if _lives(telemetry, tab) else restart(telemetry, tab, lost=1)


def restart(telemetry: Telemetry, tab: Tab, *, lost: int = 0) -> int:
    """Start the worker, again from a fresh page where a start was lost; return how many starts it took.

    `lost`: how many were lost before. Raises FindingError where no worker greets the tab and stays.
    """
    for number in range(lost, MOST_STARTS):
        if number:
            tab.page.reload()
        tab.start_worker()
        if _lives(telemetry, tab):
            return number + 1
    ready = telemetry.implementation.protocol.ready
    raise FindingError(f"{ready} of a new worker", f"none in {MOST_STARTS} starts")


def _message(telemetry: Telemetry) -> dict[str, str]:
    return {"type": telemetry.implementation.protocol.shutdown}


def _lives(telemetry: Telemetry, tab: Tab) -> bool:
    """Wait until the tab is greeted by a worker that stays; False where the start was lost."""
    protocol = telemetry.implementation.protocol
    begun = alive_at = time.monotonic()
    while time.monotonic() < begun + PATIENCE_SECONDS:
        if _has_heard(tab, protocol.ready):
            telemetry.settle()  # A worker that is to end has ended now; one that passes the word on has.
            return bool(telemetry.workers.all) and not _has_heard(tab, protocol.shutdown)
        if telemetry.workers.all:
            alive_at = time.monotonic()
        elif time.monotonic() > alive_at + LOST_SECONDS:
            return False
        telemetry.workers.idle()
    return False


def _has_heard(tab: Tab, word: str) -> bool:
    """Whether the worker has posted a message of this type to the tab, on its present port."""
    return any(isinstance(message, dict) and message.get("type") == word for message in tab.messages)
