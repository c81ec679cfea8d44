"""Payloads out of the ordinary: what a tab posts when it is not one of the many alike."""

from __future__ import annotations

import json
from typing import Any

from e2e.conformance.accounting import Event, Fate, get_event_key
from e2e.conformance.case import FindingError
from e2e.conformance.report.timeline import Kind
from e2e.worker.driver.system import Telemetry
from e2e.worker.driver.tab import Tab

_POST_TEXT = "(text) => window.port.postMessage(JSON.parse(text))"
_DEFAULT_EVENT_NAME = "ui_event"


def log_payload(
    telemetry: Telemetry, tab: Tab, payload: dict[str, Any], *, fate: Fate = Fate.STORED
) -> dict[str, Any]:
    """Log one event with this payload and return it as it was posted.

    Params that are an object get the identity; without them the event's name is its identity. The
    installation, a name and the present are filled in where they are missing.
    """
    event = new_event(tab, fate)
    whole = {
        "installation_id": tab.installation_id,
        "event_name": _DEFAULT_EVENT_NAME,
        "timestamp_ns": now_ns(tab),
        **payload,
    }
    if isinstance(payload.get("params"), dict):
        whole["params"] = {**payload["params"], "componentViewId": event.key}
    else:
        whole["event_name"] = event.key
    # As text: Playwright would set a prototype for a key `__proto__`, JSON.parse makes it a key.
    message = {"type": telemetry.implementation.protocol.log_event, "payload": whole}
    telemetry.recorder.tab(tab.name, Kind.EVENTS, f"logs {event.key} with {', '.join(payload)} of its own")
    tab.page.evaluate(_POST_TEXT, json.dumps(message))
    return whole


def new_event(tab: Tab, fate: Fate) -> Event:
    """The tab's next event, entered into its books; whoever calls this posts it."""
    sequence = len(tab.events)
    event = Event(f"{tab.name}/{sequence}", tab.name, sequence, fate)
    tab.events.append(event)
    return event


def now_ns(tab: Tab) -> int:
    """The tab's clock in nanoseconds since 1970, as its Date.now() tells it."""
    milliseconds: int = tab.page.evaluate("() => Date.now()")
    return milliseconds * 1_000_000


def records_of(telemetry: Telemetry) -> list[dict[str, Any]]:
    """All records that were sent, oldest first."""
    return [record for batch in telemetry.batches for record in batch.records]


def sent_as(telemetry: Telemetry, payload: dict[str, Any]) -> list[dict[str, Any]]:
    """All records of the event that was posted so: one for each time that it was sent."""
    return [record for record in records_of(telemetry) if get_event_key(record) == get_event_key(payload)]


def expect_sent_as_posted(telemetry: Telemetry, posted: list[dict[str, Any]], field: str) -> None:
    """This field of each record is what the tab posted. Raises FindingError.

    Whether there is a record at all is the accounting's business.
    """
    for payload in posted:
        for record in sent_as(telemetry, payload):
            if record.get(field) != payload[field]:
                raise FindingError(f"{field} {payload[field]!r:.200}", f"{field} {record.get(field)!r:.200}")
