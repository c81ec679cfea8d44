"""The three values that tell a worker whether it may send, which events, and from which share of sessions.

Only a switch that is true disables telemetry, and only two that are false enable it. Everything else is
unknown, which is neither: a worker that is told `disabled` deletes its records, and consent is never guessed.
"""

import codecs
import math
from dataclasses import dataclass, field

import msgspec

from reference_server.errors import ConfigurationUnknownError, ConfigurationUnreadableError

SWITCHES = ("disable_telemetry", "disable_ui_telemetry")


@dataclass(frozen=True)
class Configuration:
    """The configuration of a worker. The defaults are those of disabled telemetry."""

    disable_ui_telemetry: bool = True
    disable_ui_events: list[str] = field(default_factory=list)
    ui_rollout_percentage: int | float = 0


def parse_configuration(text: bytes) -> tuple[Configuration, list[str]]:
    """Parse the JSON of a source. Return the configuration, and a sentence for each value of a wrong type.

    A percentage or list of a wrong type counts as missing: 0 %, no event filtered.

    Raise ConfigurationUnreadableError if the text is not a JSON object, or is one without any switch, as the
    error page of another program is. Raise ConfigurationUnknownError if no switch is true but one is missing
    or not a boolean: what the operator wants is unclear.
    """
    try:
        # Some editors begin a file with a byte order mark, which a parser may ignore (RFC 8259 §8.1).
        source = msgspec.json.decode(text.removeprefix(codecs.BOM_UTF8))
    except (ValueError, RecursionError) as error:
        raise ConfigurationUnreadableError(f"not JSON ({error})") from error
    if not isinstance(source, dict):
        raise ConfigurationUnreadableError(f"not a JSON object but {_get_type_name(source)}")

    problems: list[str] = []
    configuration = Configuration(
        disable_ui_telemetry=_parse_switches(source),
        disable_ui_events=_parse_events(source, problems),
        ui_rollout_percentage=_parse_percentage(source, problems),
    )
    return configuration, problems


def _parse_switches(source: dict[str, object]) -> bool:
    """Return whether telemetry is disabled."""
    if any(source.get(name) is True for name in SWITCHES):
        return True
    if not any(name in source for name in SWITCHES):
        raise ConfigurationUnreadableError(f"holds neither {' nor '.join(SWITCHES)}")
    for name in SWITCHES:
        if name not in source:
            raise ConfigurationUnknownError(f"{name} is missing")
        if source[name] is not False:
            raise ConfigurationUnknownError(f"{name} is {_get_type_name(source[name])}, not a boolean")
    return False


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
