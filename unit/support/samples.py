"""What the server's tests send and write: a record, a configuration, and the endpoint's path."""

import json
from pathlib import Path

ENDPOINT = "ajax-api/3.0/mlflow/ui-telemetry"
ENABLED: dict[str, object] = {
    "disable_telemetry": False,
    "disable_ui_telemetry": False,
    "disable_ui_events": ["quiet.button"],
    "ui_rollout_percentage": 12.345678,
}
DISABLED_VALUES = {"disable_ui_telemetry": True, "disable_ui_events": [], "ui_rollout_percentage": 0}
DISABLED_ANSWER = {**DISABLED_VALUES, "accept_encodings": ["gzip"]}


def record(number: int = 0, /, **changes: object) -> dict[str, object]:
    """Give a good record, told from others by its number; a change to None leaves the field out."""
    fields: dict[str, object] = {
        "installation_id": "an-installation",
        "event_name": "ui_event",
        "timestamp_ns": 1_700_000_000_000_000_000 + number,
        "params": {"componentId": f"component.{number}"},
        "session_id": "a-session",
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not None}


def body_of(*members: object) -> bytes:
    """Give the body of a POST that carries these records."""
    return json.dumps({"records": members}).encode()


def write_configuration(path: Path, values: object = ENABLED) -> Path:
    """Write a configuration file and give its path."""
    path.write_text(json.dumps(values), encoding="utf-8")
    return path
