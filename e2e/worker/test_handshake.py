"""Handshake: how a tab and the worker meet. What is posted after that stands in the other families."""

from __future__ import annotations

from e2e.conformance.case import FindingError, Level, case
from e2e.worker.driver.system import Telemetry

PROTOCOL = "wire protocol, worker → tab"
MALFORMED: list[object] = [None, 7, "LOG_EVENT", [], {}, {"type": "NO_SUCH_TYPE"}, {"type": None}]


def ready_messages(telemetry: Telemetry) -> list[int]:
    """How many READY each tab has received, in the order in which the tabs opened."""
    ready = telemetry.implementation.protocol.ready
    return [
        sum(isinstance(message, dict) and message.get("type") == ready for message in tab.messages)
        for tab in telemetry.tabs
    ]


@case(
    "handshake/1/1",
    Level.MUST,
    "The worker posts READY to a tab that connects.",
    expected="READY",
    source=PROTOCOL,
)
def test_ready_greets_the_first_tab(telemetry: Telemetry) -> None:
    telemetry.open_tab().log()
    telemetry.flush()
    telemetry.account()


@case(
    "handshake/1/2",
    Level.MUST,
    "Each tab gets a READY of its own, once, however many tabs connect.",
    expected="one READY a tab",
    source=PROTOCOL,
)
def test_every_tab_gets_one_ready(telemetry: Telemetry) -> None:
    for tab in telemetry.open_tabs(4):
        tab.log()
    telemetry.flush(2)
    if ready_messages(telemetry) != [1, 1, 1, 1]:
        raise FindingError("one READY for each of 4 tabs", f"{ready_messages(telemetry)} READY")
    telemetry.account()


@case(
    "handshake/1/3",
    Level.SHOULD,
    "READY does not wait for the configuration: a tab is not held up by a slow server.",
    expected="READY while the configuration is still out",
    source=f"{PROTOCOL}: READY on connect",
)
def test_ready_does_not_wait_for_the_configuration(telemetry: Telemetry) -> None:
    telemetry.break_config("latency", latency_ms=5_000)
    telemetry.open_tab().log()
    telemetry.flush(2)
    telemetry.account()


@case(
    "handshake/2/1",
    Level.SHOULD,
    "A message that the protocol does not know is ignored; the tab's later events are taken.",
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
