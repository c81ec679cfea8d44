"""What a worker has confirmed with STORED, the message by which it promises that an event is on disk."""

from __future__ import annotations

from e2e.conformance.accounting import Event, Fate
from e2e.conformance.preconditions import require_exercised
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


def get_confirmed_events(telemetry: Telemetry, tab: Tab) -> list[Event]:
    """Return the events that the worker has confirmed as durable on the tab's current port.

    A STORED with `durable: false` confirms that the worker has the event, not that it is on disk.
    """
    highest = max(
        (
            message["seq"]
            for message in tab.messages
            if isinstance(message, dict)
            and message.get("type") == telemetry.implementation.protocol.stored
            and message.get("durable") is not False
            and isinstance(message.get("seq"), int)
        ),
        default=-1,
    )
    return [event for event in tab.events if event.sequence <= highest]


def require_confirmation(telemetry: Telemetry, tab: Tab) -> None:
    """Skip the case unless the worker has confirmed an event of this tab."""
    telemetry.settle()
    require_exercised(get_confirmed_events(telemetry, tab), NO_CONFIRMATION)


def release_unconfirmed_events(telemetry: Telemetry, tab: Tab) -> None:
    """Demand only the confirmed ones among the tab's events: its worker is about to be terminated."""
    confirmed = get_confirmed_events(telemetry, tab)
    set_fate([event for event in tab.events if event not in confirmed], Fate.OPTIONAL)
