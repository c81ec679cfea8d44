"""Log events with special payloads, and compare the records that are sent with what was posted."""

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
    """Log one event with this payload and return the payload as it was posted.

    Params that are an object get the event's key; without such params the key is the event's name.
    A missing installation_id, event_name or timestamp_ns gets a default.
    """
    event = register_event(tab, fate)
    complete = {
        "installation_id": tab.installation_id,
        "event_name": _DEFAULT_EVENT_NAME,
        "timestamp_ns": get_time_ns(tab),
        **payload,
    }
    if isinstance(payload.get("params"), dict):
        complete["params"] = {**payload["params"], "componentViewId": event.key}
    else:
        complete["event_name"] = event.key
    # Passed as text: Playwright sets the prototype for a key `__proto__`, JSON.parse makes it a key.
    message = {"type": telemetry.implementation.protocol.log_event, "payload": complete}
    text = f"logs {event.key} with its own {', '.join(payload)}"
    telemetry.recorder.record_tab(tab.name, Kind.EVENTS, text)
    tab.page.evaluate(_POST_TEXT, json.dumps(message))
    return complete


def log_changed_payload(telemetry: Telemetry, tab: Tab, change: str, *, fate: Fate = Fate.STORED) -> Event:
    """Log an event whose payload a statement of JavaScript changes before it is posted.

    So a payload can have values that JSON does not have.
    """
    event = register_event(tab, fate)
    message = {
        "type": telemetry.implementation.protocol.log_event,
        "payload": {
            "installation_id": tab.installation_id,
            "event_name": _DEFAULT_EVENT_NAME,
            "timestamp_ns": get_time_ns(tab),
            "params": {"componentViewId": event.key},
        },
    }
    telemetry.recorder.record_tab(tab.name, Kind.EVENTS, f"logs {event.key} after {change}")
    tab.page.evaluate(f"(m) => {{ const {{ payload }} = m; {change}; window.port.postMessage(m); }}", message)
    return event


def register_event(tab: Tab, fate: Fate) -> Event:
    """Create the tab's next event and add it to the tab's list; the caller posts it."""
    sequence = len(tab.events)
    event = Event(f"{tab.name}/{sequence}", tab.name, sequence, fate)
    tab.events.append(event)
    return event


def get_time_ns(tab: Tab) -> int:
    """Return the tab's Date.now() in nanoseconds since 1970."""
    milliseconds: int = tab.page.evaluate("() => Date.now()")
    return milliseconds * 1_000_000


def get_sent_records(telemetry: Telemetry) -> list[dict[str, Any]]:
    """Return all records that were sent, oldest first."""
    return [record for batch in telemetry.batches for record in batch.records]


def find_sent_records(telemetry: Telemetry, payload: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the records of the event with this payload: one for each time that it was sent."""
    return [
        record for record in get_sent_records(telemetry) if get_event_key(record) == get_event_key(payload)
    ]


def expect_sent_as_posted(telemetry: Telemetry, posted: list[dict[str, Any]], field: str) -> None:
    """Require that this field of each record equals what the tab posted. Raise FindingError.

    The accounting reports events without any record.
    """
    for payload in posted:
        for record in find_sent_records(telemetry, payload):
            if record.get(field) != payload[field]:
                raise FindingError(f"{field} {payload[field]!r:.200}", f"{field} {record.get(field)!r:.200}")
