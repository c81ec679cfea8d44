"""The three values that tell a worker whether it may send, which events, and from which share of sessions.

The rules for missing values are the protocol's: without clear consent, telemetry is disabled.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from reference_server.errors import ConfigurationUnreadableError

DISABLING_VARIABLES = ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK")
SWITCHES = ("disable_telemetry", "disable_ui_telemetry")
TRUE_WORDS = frozenset({"1", "true", "yes", "on"})


@dataclass(frozen=True)
class Configuration:
    """The configuration of a worker. The defaults are the values of a missing configuration: disabled."""

    disable_ui_telemetry: bool = True
    disable_ui_events: list[str] = field(default_factory=list)
    ui_rollout_percentage: int | float = 0


def is_disabled_by_environment(environ: Mapping[str, str]) -> bool:
    """Return whether an environment variable disables telemetry (1, true, yes, on; in any case)."""
    return any(environ.get(name, "").strip().lower() in TRUE_WORDS for name in DISABLING_VARIABLES)


def parse_configuration(text: bytes) -> tuple[Configuration, list[str]]:
    """Parse the JSON of a source. Return the configuration, and a sentence for each value of a wrong type.

    A value of a wrong type counts as missing. Telemetry is enabled only if both `disable_telemetry` and
    `disable_ui_telemetry` are present and false.

    Raise ConfigurationUnreadableError if the text is not a JSON object.
    """
    try:
        source = msgspec.json.decode(text)
    except (ValueError, RecursionError) as error:
        raise ConfigurationUnreadableError(f"not JSON ({error})") from error
    if not isinstance(source, dict):
        raise ConfigurationUnreadableError(f"not a JSON object but {_get_type_name(source)}")

    problems: list[str] = []
    switches = [_parse_switch(source, name, problems) for name in SWITCHES]
    configuration = Configuration(
        disable_ui_telemetry=any(switches),
        disable_ui_events=_parse_events(source, problems),
        ui_rollout_percentage=_parse_percentage(source, problems),
    )
    return configuration, problems


def _parse_switch(source: dict[str, object], name: str, problems: list[str]) -> bool:
    value = source.get(name, True)
    if isinstance(value, bool):
        return value
    problems.append(f"{name} is {_get_type_name(value)}, not a boolean: telemetry is disabled")
    return True


def _parse_events(source: dict[str, object], problems: list[str]) -> list[str]:
    value = source.get("disable_ui_events", [])
    if not isinstance(value, list):
        problems.append(f"disable_ui_events is {_get_type_name(value)}, not a list: no event is filtered")
        return []
    events = [event for event in value if isinstance(event, str)]
    if len(events) < len(value):
        problems.append("disable_ui_events has members that are not strings: they are ignored")
    return events


def _parse_percentage(source: dict[str, object], problems: list[str]) -> int | float:
    value = source.get("ui_rollout_percentage", 0)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and _is_finite(value):
        return value
    problems.append(f"ui_rollout_percentage is {_get_type_name(value)}, not a finite number: it counts as 0")
    return 0


def _is_finite(value: int | float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond the range of a double, which is a browser's number
        return False


def _get_type_name(value: object) -> str:
    return "null" if value is None else type(value).__name__
