"""The environment variables that disable telemetry, with the values that do."""

import pytest

from reference_server.config.environment import CI_VARIABLES, is_disabled_by_environment


@pytest.mark.parametrize("name", ["MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK"])
@pytest.mark.parametrize("value", ["1", "true", "TRUE", "Yes", "on", " on "])
def test_each_opt_out_disables_in_any_case(name: str, value: str) -> None:
    assert is_disabled_by_environment({name: value})


@pytest.mark.parametrize("value", ["0", "false", "FALSE", " 0 "])
def test_a_clear_no_does_not_disable(value: str) -> None:
    environ = {"MLFLOW_DISABLE_TELEMETRY": value, "DO_NOT_TRACK": value, "ANOTHER": "1"}
    assert not is_disabled_by_environment(environ)


@pytest.mark.parametrize("value", ["", "no", "off", "2"])
def test_unclear_values_disable_only_for_mlflow_s_variable(value: str) -> None:
    assert is_disabled_by_environment({"MLFLOW_DISABLE_TELEMETRY": value})
    assert not is_disabled_by_environment({"DO_NOT_TRACK": value})


@pytest.mark.parametrize("name", CI_VARIABLES)
@pytest.mark.parametrize("value", ["", "false", "0", "true", "https://ci.test/"])
def test_presence_of_a_ci_variable_disables(name: str, value: str) -> None:
    assert is_disabled_by_environment({name: value})


def test_variables_of_other_names_do_not_disable() -> None:
    assert not is_disabled_by_environment({"ci": "true", "CI_SERVER": "yes", "PATH": "/bin"})
