"""The three values that tell a worker whether, what and how much it may send.

The rules for missing values are the protocol's: whoever cannot be sure of consent is silent.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from reference_server.errors import ConfigurationUnreadableError

DISABLING_VARIABLES = ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK")
TRUE_WORDS = frozenset({"1", "true", "yes", "on"})


@dataclass(frozen=True)
class Configuration:
    """What a worker reads at its start. The defaults are those of missing values: nothing may be sent."""

    disable_ui_telemetry: bool = True
    disable_ui_events: list[str] = field(default_factory=list)
    ui_rollout_percentage: int | float = 0

    def as_json(self) -> dict[str, object]:
        """Give the body of the answer to a worker's GET."""
        return {
            "disable_ui_telemetry": self.disable_ui_telemetry,
            "disable_ui_events": self.disable_ui_events,
            "ui_rollout_percentage": self.ui_rollout_percentage,
        }


def telemetry_disabled_by(environ: Mapping[str, str]) -> bool:
    """Say whether a variable of the environment opts this server out (1, true, yes, on; in any case)."""
    return any(environ.get(name, "").strip().lower() in TRUE_WORDS for name in DISABLING_VARIABLES)


def parse_configuration(text: bytes) -> tuple[Configuration, list[str]]:
    """Read a configuration out of the source's JSON.

    A value of the wrong type counts as missing. `disable_telemetry` and `disable_ui_telemetry` both have to
    be there and false for telemetry to be on.

    Returns the configuration and a sentence for each value of a wrong type.
    Raises ConfigurationUnreadableError when the text is not a JSON object.
    """
    try:
        source = msgspec.json.decode(text)
    except (ValueError, RecursionError) as error:
        raise ConfigurationUnreadableError(f"it is not JSON ({error})") from error
    if not isinstance(source, dict):
        raise ConfigurationUnreadableError(f"it is not a JSON object but {_type_name(source)}")

    problems: list[str] = []
    switches = [_switch(source, name, problems) for name in ("disable_telemetry", "disable_ui_telemetry")]
    configuration = Configuration(
        disable_ui_telemetry=any(switches),
        disable_ui_events=_events(source, problems),
        ui_rollout_percentage=_percentage(source, problems),
    )
    return configuration, problems


def _switch(source: dict[str, object], name: str, problems: list[str]) -> bool:
    value = source.get(name, True)
    if isinstance(value, bool):
        return value
    problems.append(f"{name} is {_type_name(value)}, not a boolean: telemetry is disabled")
    return True


def _events(source: dict[str, object], problems: list[str]) -> list[str]:
    value = source.get("disable_ui_events", [])
    if not isinstance(value, list):
        problems.append(f"disable_ui_events is {_type_name(value)}, not a list: no event is filtered")
        return []
    events = [event for event in value if isinstance(event, str)]
    if len(events) < len(value):
        problems.append("disable_ui_events has members that are not strings: they are ignored")
    return events


def _percentage(source: dict[str, object], problems: list[str]) -> int | float:
    value = source.get("ui_rollout_percentage", 0)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and _is_finite(value):
        return value
    problems.append(f"ui_rollout_percentage is {_type_name(value)}, not a finite number: it counts as 0")
    return 0


def _is_finite(value: int | float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer that no browser's number can hold
        return False


def _type_name(value: object) -> str:
    return "null" if value is None else type(value).__name__
