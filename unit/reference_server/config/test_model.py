"""The configuration for the JSON of a source.

test_sources.py covers where the JSON comes from and how long it is cached, test_environment.py the variables.
"""

import json
from dataclasses import asdict

import pytest

from reference_server.config.model import SWITCHES, Configuration, parse_configuration
from reference_server.errors import ConfigurationUnknownError, ConfigurationUnreadableError
from unit.support.samples import ENABLED


def parse(values: object) -> tuple[Configuration, list[str]]:
    return parse_configuration(json.dumps(values).encode())


def test_complete_configuration_is_kept_unchanged() -> None:
    configuration, problems = parse(ENABLED)
    assert asdict(configuration) == {
        "disable_ui_telemetry": False,
        "disable_ui_events": ["quiet.button"],
        "ui_rollout_percentage": 12.345678,
    }
    assert problems == []


def test_byte_order_mark_is_ignored() -> None:
    text = json.dumps(ENABLED).encode("utf-8-sig")
    assert parse_configuration(text) == parse(ENABLED)
    with pytest.raises(ConfigurationUnreadableError, match="not JSON"):
        parse_configuration(text[:3] + text)


@pytest.mark.parametrize("values", [{}, {"error": "unavailable"}, {"ui_rollout_percentage": 100}])
def test_object_without_a_switch_is_no_configuration(values: object) -> None:
    with pytest.raises(ConfigurationUnreadableError, match="neither"):
        parse(values)


@pytest.mark.parametrize("switch", SWITCHES)
@pytest.mark.parametrize("other", [True, False, None, "no"])
def test_either_switch_disables_whatever_the_other_is(switch: str, other: object) -> None:
    configuration, _ = parse({**dict.fromkeys(SWITCHES, other), switch: True})
    assert configuration.disable_ui_telemetry


@pytest.mark.parametrize("switch", SWITCHES)
@pytest.mark.parametrize("value", [None, 0, 1, "false", "true", "", [], {}])
def test_switch_of_wrong_type_is_unknown(switch: str, value: object) -> None:
    with pytest.raises(ConfigurationUnknownError, match=f"^{switch} is "):
        parse({**ENABLED, switch: value})


@pytest.mark.parametrize("switch", SWITCHES)
def test_missing_switch_beside_a_false_one_is_unknown(switch: str) -> None:
    with pytest.raises(ConfigurationUnknownError, match=f"{switch} is missing"):
        parse({name: value for name, value in ENABLED.items() if name != switch})


@pytest.mark.parametrize("value", [None, True, "50", [50], {}, 10**400])
def test_percentage_of_wrong_type_counts_as_0(value: object) -> None:
    configuration, problems = parse({**ENABLED, "ui_rollout_percentage": value})
    assert configuration.ui_rollout_percentage == 0
    assert configuration.ui_rollout_percentage is not False
    assert len(problems) == 1
    assert "ui_rollout_percentage" in problems[0]


@pytest.mark.parametrize("value", [0, 100, 150, -1, 0.000001])
def test_any_finite_percentage_is_kept(value: float) -> None:
    configuration, problems = parse({**ENABLED, "ui_rollout_percentage": value})
    assert (configuration.ui_rollout_percentage, problems) == (value, [])


@pytest.mark.parametrize("value", [None, "quiet.button", 5, {"quiet.button": True}])
def test_events_that_are_not_a_list_are_ignored(value: object) -> None:
    configuration, problems = parse({**ENABLED, "disable_ui_events": value})
    assert configuration.disable_ui_events == []
    assert len(problems) == 1
    assert "disable_ui_events" in problems[0]


def test_events_list_keeps_only_strings() -> None:
    configuration, problems = parse({**ENABLED, "disable_ui_events": ["a", 5, None, "b"]})
    assert configuration.disable_ui_events == ["a", "b"]
    assert len(problems) == 1


@pytest.mark.parametrize("text", [b"", b"null", b"[]", b"5", b'"text"', b"{", b"\xff", b"[" * 100_000])
def test_text_that_is_not_a_json_object_is_unreadable(text: bytes) -> None:
    with pytest.raises(ConfigurationUnreadableError, match="not"):
        parse_configuration(text)
