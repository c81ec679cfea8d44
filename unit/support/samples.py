"""Sample data for tests of the server: records, a configuration, and the endpoint's path."""

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
DISABLED_RESPONSE = {**DISABLED_VALUES, "accept_encodings": ["gzip"]}


def make_record(number: int = 0, /, **changes: object) -> dict[str, object]:
    """Return a valid record that is distinguished by its number; a field changed to None is left out."""
    fields: dict[str, object] = {
        "installation_id": "an-installation",
        "event_name": "ui_event",
        "timestamp_ns": 1_700_000_000_000_000_000 + number,
        "params": {"componentId": f"component.{number}"},
        "session_id": "a-session",
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not None}


def encode_body(*members: object) -> bytes:
    """Return the body of a POST with these records."""
    return json.dumps({"records": members}).encode()


def write_configuration(path: Path, values: object = ENABLED) -> Path:
    """Write a configuration file and return its path."""
    path.write_text(json.dumps(values), encoding="utf-8")
    return path
