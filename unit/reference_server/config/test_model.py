"""The configuration for the JSON of a source, and the environment variables.

test_sources.py covers where the JSON comes from and how long it is cached.
"""

import json
from dataclasses import asdict

import pytest

from reference_server.config.model import Configuration, is_disabled_by_environment, parse_configuration
from reference_server.errors import ConfigurationUnreadableError
from unit.support.samples import DISABLED_VALUES, ENABLED


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


def test_empty_object_disables_without_a_problem() -> None:
    configuration, problems = parse({})
    assert asdict(configuration) == DISABLED_VALUES
    assert problems == []


@pytest.mark.parametrize("switch", ["disable_telemetry", "disable_ui_telemetry"])
@pytest.mark.parametrize("value", [True, None, 0, "false", [], {}])
def test_either_switch_disables_unless_false(switch: str, value: object) -> None:
    configuration, problems = parse({**ENABLED, switch: value})
    assert configuration.disable_ui_telemetry
    assert [switch in problem for problem in problems] == ([] if value is True else [True])


@pytest.mark.parametrize("switch", ["disable_telemetry", "disable_ui_telemetry"])
def test_either_switch_disables_if_missing(switch: str) -> None:
    configuration, _ = parse({name: value for name, value in ENABLED.items() if name != switch})
    assert configuration.disable_ui_telemetry


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


@pytest.mark.parametrize("name", ["MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK"])
@pytest.mark.parametrize("value", ["1", "true", "TRUE", "Yes", "on", " on "])
def test_each_variable_disables_in_any_case(name: str, value: str) -> None:
    assert is_disabled_by_environment({name: value})


@pytest.mark.parametrize("value", ["", "0", "false", "no", "off", "2"])
def test_other_values_of_a_variable_do_not_disable(value: str) -> None:
    assert not is_disabled_by_environment({"DO_NOT_TRACK": value, "ANOTHER": "1"})
