"""The configuration that the server sends: its three values, their defaults, how to disable telemetry.

`test_config_source.py` covers where the server fetches its configuration from.
"""

from __future__ import annotations

import json
from pathlib import Path

from e2e.conformance.accounting import Fate
from e2e.conformance.case import FindingError, Level, case
from e2e.server.driver.assertions import (
    expect_accepts_record,
    expect_config_values,
    expect_disabled,
    expect_each,
    expect_never_disabled,
    expect_not_enabled,
    expect_unknown,
    read_config_values,
)
from e2e.server.driver.system import DISABLED_VALUES, ENABLED, Server, StartServer

SWITCHES = ("disable_telemetry", "disable_ui_telemetry")
VARIABLES = ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK")
CI_VARIABLES = ("CI", "GITHUB_ACTIONS", "JENKINS_URL", "PYTEST_CURRENT_TEST")
"""Some of the variables whose presence disables MLflow's server."""

UNREADABLE_TEXTS = (
    "",
    "not JSON",
    json.dumps(ENABLED)[:-1],
    json.dumps(ENABLED) + "}",
    "null",
    "[]",
    '"enabled"',
    "5",
    "{}",
    '{"error": "unavailable"}',
    "\0" * 100,
    "[" * 50_000,
)
"""Texts that are no configuration: a file that is being written, a failed command's output, an error page."""

WRONG_SWITCH_VALUES: dict[str, object] = {
    "a string": "false",
    "a number": 0,
    "an empty string": "",
    "a list": [],
    "an object": {},
}


def delete_file(path: Path) -> None:
    """Delete the file."""
    path.unlink()


def replace_by_directory(path: Path) -> None:
    """Put a directory in the place of the file."""
    path.unlink()
    path.mkdir()


def empty_file(path: Path) -> None:
    """Truncate the file, as an editor does that writes in place."""
    path.write_text("", encoding="utf-8")


SPOIL_FILE = {"deleted": delete_file, "a directory": replace_by_directory, "empty": empty_file}


@case(
    "server/config/1/1",
    Level.MUST,
    "The server responds to GET with the three configuration values, each of the correct type.",
    expected="200, JSON with disable_ui_telemetry, disable_ui_events, ui_rollout_percentage",
    source="wire protocol, GET",
)
def test_get_returns_three_values(server: Server) -> None:
    response = server.get_config()
    values = read_config_values(response)
    percentage = values.get("ui_rollout_percentage")
    events = values.get("disable_ui_events")
    is_valid = (
        response.content_type == "application/json"
        and isinstance(values.get("disable_ui_telemetry"), bool)
        and isinstance(events, list)
        and all(isinstance(event, str) for event in events)
        and isinstance(percentage, (int, float))
        and not isinstance(percentage, bool)
    )
    if not is_valid:
        raise FindingError("application/json with a boolean, a list of strings and a number", str(response))
    server.account()


@case(
    "server/config/1/2",
    Level.MUST,
    "The server sends the values that it was configured with, and does not round the percentage.",
    expected="the list unchanged, 12.345678 %",
    source="wire protocol, GET, sampling",
)
def test_get_returns_configured_values(server: Server) -> None:
    values = {"disable_ui_events": ["b.button", "a.button", "ü"], "ui_rollout_percentage": 12.345678}
    server.configure(**values)
    expect_config_values(server, {"disable_ui_telemetry": False, **values}, "this configuration")
    server.account()


@case(
    "server/config/1/3",
    Level.SHOULD,
    "The server forbids caching of the configuration: a cached consent must not outlive an opt-out.",
    expected="Cache-Control: no-store (or no-cache, or max-age=0)",
    source="RFC 9111 §5.2.2; privacy",
)
def test_configuration_is_not_cacheable(server: Server) -> None:
    cache_control = server.get_config().headers.get("Cache-Control", "").replace(" ", "").lower().split(",")
    if not {"no-store", "no-cache", "max-age=0"} & set(cache_control):
        raise FindingError(
            "Cache-Control: no-store", f"Cache-Control: {','.join(cache_control) or 'missing'}"
        )
    server.account()


@case(
    "server/config/1/4",
    Level.MAY,
    "The server applies a changed configuration from the next request on, without a restart.",
    expected="the new values in the next response",
    source="convenience: a switch takes effect at once",
)
def test_changed_configuration_applies_to_next_request(server: Server) -> None:
    for percentage in (10, 20, 10):
        server.configure(ui_rollout_percentage=percentage)
        expected = {**DISABLED_VALUES, "disable_ui_telemetry": False, "ui_rollout_percentage": percentage}
        expect_config_values(server, expected, f"{percentage} %")
    server.account()


@case(
    "server/config/2/1",
    Level.SHOULD,
    "While the server cannot read its configuration, it tells no worker to stop: unknown is not disabled.",
    expected="for each unreadable text: the last configuration and success, or 503 with Retry-After",
    source="data safety: a worker that reads `disabled` deletes its records. The wire protocol allows both: "
    "MLflow's server falls back to disabled",
)
def test_unreadable_configuration_stops_no_worker(server: Server) -> None:
    for text in UNREADABLE_TEXTS:
        server.configure()
        expect_accepts_record(server)
        server.configure_text(text)
        expect_never_disabled(server, f"the configuration {text[:30]!r}")
    server.account()


@case(
    "server/config/2/2",
    Level.MUST,
    "The server enables telemetry only if disable_telemetry and disable_ui_telemetry are both false.",
    expected="disabled if either is true; disabled or 503 if either is missing",
    source="wire protocol, missing values",
)
def test_telemetry_needs_both_switches_to_be_false(server: Server) -> None:
    for name in SWITCHES:
        server.configure(**{name: True})
        expect_disabled(server, f"{name} true")
        server.configure(**{name: None})
        expect_not_enabled(server, f"{name} missing")
    server.account()


@case(
    "server/config/2/3",
    Level.MUST,
    "The server sends 0 for a missing percentage and an empty list for missing events.",
    expected="ui_rollout_percentage 0; disable_ui_events []",
    source="wire protocol, missing values",
)
def test_missing_values_have_defaults(server: Server) -> None:
    enabled = {**DISABLED_VALUES, "disable_ui_telemetry": False}
    server.configure(ui_rollout_percentage=None, disable_ui_events=["a.button"])
    expect_config_values(server, {**enabled, "disable_ui_events": ["a.button"]}, "no percentage")
    server.configure(disable_ui_events=None, ui_rollout_percentage=50)
    expect_config_values(server, {**enabled, "ui_rollout_percentage": 50}, "no events")
    server.account()


@case(
    "server/config/2/4",
    Level.SHOULD,
    "A switch of the wrong type does not enable telemetry: the server never guesses consent.",
    expected="disabled or 503 for a string, a number, a list, an object, null",
    source="wire protocol, missing values; privacy",
)
def test_switch_of_wrong_type_does_not_enable_telemetry(server: Server) -> None:
    for name in SWITCHES:
        for kind, value in {**WRONG_SWITCH_VALUES, "null": None}.items():
            server.configure_text(json.dumps({**ENABLED, name: value}))
            expect_not_enabled(server, f"{name} {kind}")
    server.account()


@case(
    "server/config/2/5",
    Level.SHOULD,
    "The server never sends a percentage or a list of the wrong type.",
    expected="0 instead of the percentage, a list of strings instead of the events",
    source="wire protocol, missing values; privacy",
)
def test_values_of_wrong_type_are_never_sent(server: Server) -> None:
    for text in ('"100"', "true", "[100]", "{}", "null", "1e400", "NaN"):
        configured = json.dumps({**ENABLED, "ui_rollout_percentage": "%"}).replace('"%"', text)
        server.configure_text(configured)
        percentage = read_config_values(server.get_config())["ui_rollout_percentage"]
        if percentage != 0 or isinstance(percentage, bool):
            raise FindingError(f"0 for the percentage {text}", json.dumps(percentage))
    for value in ("a.button", 5, {"a.button": True}, None, [1, None, ["a.button"]]):
        server.configure_text(json.dumps({**ENABLED, "disable_ui_events": value}))
        events = read_config_values(server.get_config())["disable_ui_events"]
        if events != []:
            raise FindingError(f"[] for the events {json.dumps(value)}", json.dumps(events))
    server.account()


@case(
    "server/config/2/6",
    Level.SHOULD,
    "A configuration that cannot be read enables nothing after one that disabled telemetry.",
    expected="disabled or 503 for each unreadable text",
    source="privacy: the operator's switch holds",
)
def test_unreadable_configuration_enables_nothing(server: Server) -> None:
    for text in UNREADABLE_TEXTS:
        server.configure(disable_telemetry=True)
        expect_disabled(server, "disable_telemetry true")
        server.configure_text(text)
        expect_not_enabled(server, f"the configuration {text[:30]!r}")
    server.account()


@case(
    "server/config/2/7",
    Level.SHOULD,
    "A server that has never read a configuration defers requests, and says when to retry.",
    expected="503 with Retry-After for GET and POST, nothing stored; success once there is a configuration",
    source="RFC 9110 §15.6.4; data safety: unknown is not disabled",
)
def test_server_without_configuration_defers_requests(start_server: StartServer) -> None:
    server = start_server(config_text="")
    for text in UNREADABLE_TEXTS:
        server.configure_text(text)
        expect_unknown(server, f"the configuration {text[:30]!r}")
    server.configure()
    expect_accepts_record(server)
    server.account()


@case(
    "server/config/2/8",
    Level.SHOULD,
    "A configuration without clear switches tells no worker to stop.",
    expected="a switch that is missing or of a wrong type: never disabled, unless the other switch is true",
    source="data safety: unknown is not disabled. MLflow's server takes a missing switch for disabled",
)
def test_unclear_switch_stops_no_worker(server: Server) -> None:
    for name in SWITCHES:
        for value in (..., None, *WRONG_SWITCH_VALUES.values()):
            values = {key: each for key, each in {**ENABLED, name: value}.items() if each is not ...}
            server.configure_text(json.dumps(values))
            responses = {"GET": server.get_config(), "POST": server.post_and_account(server.new_record())}
            expect_each(
                f"no response that stops a worker for {json.dumps(values)}",
                responses,
                lambda response: (
                    response.get_member("disable_ui_telemetry") is not True
                    and response.get_member("status") != "disabled"
                ),
            )
    server.account()


@case(
    "server/config/2/9",
    Level.SHOULD,
    "The last configuration holds while the file is missing, replaced, or unreadable, even over a restart.",
    expected="the values from before, and success, after a stop and a crash in the meantime",
    source="data safety: a file that is edited in place is empty for a moment",
)
def test_last_configuration_holds_over_restart(start_server: StartServer) -> None:
    values = {"disable_ui_events": ["b.button"], "ui_rollout_percentage": 12.5}
    for spoil in SPOIL_FILE.values():
        server = start_server(config_text=json.dumps({**ENABLED, **values}))
        expect_accepts_record(server)
        spoil(server.config_file)
        for end in (server.process.stop, server.process.kill):
            end()
            server.restart()
            expect_config_values(server, {"disable_ui_telemetry": False, **values}, "the last configuration")
            expect_accepts_record(server)
        server.account()
        server.process.kill()


@case(
    "server/config/3/1",
    Level.MUST,
    'While telemetry is disabled, the server responds to a batch with "disabled" and stores nothing of it.',
    expected='200 {"status": "disabled"}, 0 stored; once telemetry is enabled again, records are stored',
    source="wire protocol, response",
)
def test_batch_is_not_stored_while_disabled(server: Server) -> None:
    server.configure(disable_ui_telemetry=True)
    for count in (1, 500):
        response = server.post(*server.new_records(count, Fate.FORBIDDEN))
        if response.status != 200 or response.get_member("status") != "disabled":
            raise FindingError('200 {"status": "disabled"}', str(response))
    server.configure()
    expect_accepts_record(server)
    server.account()


@case(
    "server/config/3/2",
    Level.MUST,
    "An opt-out in the server's environment overrides its configuration.",
    expected="disabled if MLFLOW_DISABLE_TELEMETRY or DO_NOT_TRACK is true; not disabled if both are false",
    source="wire protocol, opt-out",
)
def test_environment_overrides_configuration(start_server: StartServer) -> None:
    for variable in VARIABLES:
        server = start_server(environ={variable: "true"})
        expect_disabled(server, f"{variable}=true")
        server.account()
    server = start_server(environ=dict.fromkeys(VARIABLES, "false"))
    expect_accepts_record(server)
    server.account()


@case(
    "server/config/3/3",
    Level.SHOULD,
    "The presence of a CI service's variable disables telemetry, whatever its value.",
    expected=f"disabled for {', '.join(CI_VARIABLES)}, even if the value is false",
    source="MLflow's server: variables of CI services",
)
def test_ci_variables_disable_telemetry(start_server: StartServer) -> None:
    for variable in CI_VARIABLES:
        server = start_server(environ={variable: "false"})
        expect_disabled(server, f"{variable}=false")
        server.account()
        server.process.kill()


@case(
    "server/config/3/4",
    Level.SHOULD,
    "MLFLOW_DISABLE_TELEMETRY disables telemetry for every value but 0 and false.",
    expected="disabled for an empty value, yes, off, 2; not disabled for 0, FALSE",
    source="MLflow's server: a value that it cannot read disables telemetry",
)
def test_unclear_opt_out_disables_telemetry(start_server: StartServer) -> None:
    for value in ("", "yes", "off", "2", "0", "FALSE"):
        server = start_server(environ={"MLFLOW_DISABLE_TELEMETRY": value})
        if value in ("0", "FALSE"):
            expect_accepts_record(server)
        else:
            expect_disabled(server, f"MLFLOW_DISABLE_TELEMETRY={value}")
        server.account()
        server.process.kill()
