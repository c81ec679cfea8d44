"""Handshake: how a tab connects to the worker. Later messages are covered in the other families."""

from __future__ import annotations

from e2e.conformance.case import FindingError, Level, case
from e2e.worker.driver.system import Telemetry
from pytest_sharedworker import Latency

PROTOCOL = "wire protocol, worker → tab"
MALFORMED: list[object] = [None, 7, "LOG_EVENT", [], {}, {"type": "NO_SUCH_TYPE"}, {"type": None}]


def count_ready_messages(telemetry: Telemetry) -> list[int]:
    """Count the READY messages of each tab, in the order in which the tabs opened."""
    ready = telemetry.implementation.protocol.ready
    return [
        sum(isinstance(message, dict) and message.get("type") == ready for message in tab.messages)
        for tab in telemetry.tabs
    ]


@case(
    "handshake/1/1",
    Level.MUST,
    "A worker posts READY to a tab that connects.",
    expected="READY",
    source=PROTOCOL,
)
def test_first_tab_gets_ready(telemetry: Telemetry) -> None:
    telemetry.open_tab().log()
    telemetry.flush()
    telemetry.account()


@case(
    "handshake/1/2",
    Level.MUST,
    "A worker posts exactly one READY to each tab, however many tabs connect.",
    expected="one READY per tab",
    source=PROTOCOL,
)
def test_every_tab_gets_one_ready(telemetry: Telemetry) -> None:
    for tab in telemetry.open_tabs(4):
        tab.log()
    telemetry.flush(2)
    counts = count_ready_messages(telemetry)
    if counts != [1, 1, 1, 1]:
        raise FindingError("one READY for each of 4 tabs", f"{counts} READY")
    telemetry.account()


@case(
    "handshake/1/3",
    Level.SHOULD,
    "A worker posts READY before its configuration arrives: a slow server does not delay a tab.",
    expected="READY while the configuration request is in flight",
    source=f"{PROTOCOL}: READY on connect",
)
def test_ready_does_not_wait_for_the_config(telemetry: Telemetry) -> None:
    telemetry.break_config(Latency(latency=5_000))
    telemetry.open_tab().log()
    telemetry.flush(2)
    telemetry.account()


@case(
    "handshake/2/1",
    Level.SHOULD,
    "A worker ignores a message that the protocol does not define and accepts the tab's later events.",
    expected="later events stored",
    source="wire protocol, tab → worker",
)
def test_malformed_messages_are_ignored(telemetry: Telemetry) -> None:
    tab = telemetry.open_tab()
    tab.log()
    for message in MALFORMED:
        tab.post(message)
    tab.log()
    telemetry.flush()
    telemetry.account()
