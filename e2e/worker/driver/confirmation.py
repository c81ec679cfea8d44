"""What a worker has confirmed with STORED, the message by which it promises that an event is on disk."""

from __future__ import annotations

from typing import Any

from e2e.conformance.accounting import Event, Fate
from e2e.conformance.preconditions import require_supported
from e2e.worker.driver.system import Telemetry, set_fate
from e2e.worker.driver.tab import Tab

NO_CONFIRMATION = "the worker confirms no event with STORED"


def open_identified_tab(telemetry: Telemetry) -> Tab:
    """Open a tab whose events carry an identity, as those of the reference's client do."""
    tab = telemetry.open_tab(connect=False)
    identify(tab)
    tab.connect()
    return tab


def identify(tab: Tab) -> None:
    """Let the tab's events carry an identity from now on."""
    tab.tab_id = f"id-of-{tab.name}"


def _get_confirmations(telemetry: Telemetry, tab: Tab) -> list[dict[str, Any]]:
    return [
        message
        for message in tab.messages
        if isinstance(message, dict)
        and message.get("type") == telemetry.implementation.protocol.stored
        and isinstance(message.get("seq"), int)
    ]


def get_confirmed_events(telemetry: Telemetry, tab: Tab, *, as_durable: bool = True) -> list[Event]:
    """Return the events that the worker has confirmed on the tab's current port.

    A STORED with `durable: false` confirms that the worker has the event, not that it is on disk.
    """
    confirmations = _get_confirmations(telemetry, tab)
    counted = [each["seq"] for each in confirmations if not as_durable or each.get("durable") is not False]
    return [event for event in tab.events if event.sequence <= max(counted, default=-1)]


def require_confirmation(telemetry: Telemetry, tab: Tab) -> None:
    """Skip the case unless the worker has confirmed an event of this tab, as durable or not."""
    telemetry.settle()
    require_supported(_get_confirmations(telemetry, tab), NO_CONFIRMATION)


def release_unconfirmed_events(telemetry: Telemetry, tab: Tab) -> None:
    """Demand only the confirmed ones among the tab's events: its worker is about to be terminated."""
    confirmed = get_confirmed_events(telemetry, tab)
    set_fate([event for event in tab.events if event not in confirmed], Fate.OPTIONAL)
