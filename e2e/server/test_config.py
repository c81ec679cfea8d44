"""The configuration that the server sends: its three values, their defaults, how to disable telemetry.

`test_config_source.py` covers where the server fetches its configuration from.
"""

from __future__ import annotations

import json

from e2e.conformance.accounting import Fate
from e2e.conformance.case import FindingError, Level, case
from e2e.server.driver.assertions import (
    expect_accepts_record,
    expect_config_values,
    expect_disabled,
    read_config_values,
)
from e2e.server.driver.system import DISABLED_VALUES, ENABLED, Server, StartServer

SWITCHES = ("disable_telemetry", "disable_ui_telemetry")
VARIABLES = ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK")
WRONG_SWITCH_VALUES: dict[str, object] = {
    "a string": "false",
    "a number": 0,
    "an empty string": "",
    "a list": [],
    "an object": {},
}


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
    Level.MUST,
    "The server disables telemetry, with no events and 0 %, while it cannot read its configuration.",
    expected="disable_ui_telemetry true, [], 0",
    source="wire protocol, missing values; server's config: fallback",
)
def test_unreadable_configuration_disables_telemetry(server: Server) -> None:
    for text in ("", "not JSON", '{"disable_telemetry": false', "null", "[]", '"enabled"', "5", "[" * 50_000):
        server.configure_text(text)
        expect_config_values(server, DISABLED_VALUES, f"the configuration {text[:30]!r}")
    expect_disabled(server, "the configuration '[[['…")
    server.account()


@case(
    "server/config/2/2",
    Level.MUST,
    "The server enables telemetry only if disable_telemetry and disable_ui_telemetry are both false.",
    expected="disabled if either is missing or true",
    source="wire protocol, missing values",
)
def test_telemetry_needs_both_switches_to_be_false(server: Server) -> None:
    for name in SWITCHES:
        for value in (None, True):
            server.configure(**{name: value})
            expect_disabled(server, f"{name} {'missing' if value is None else 'true'}")
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
    "The server treats a switch of the wrong type as missing, hence as disabled: it never guesses consent.",
    expected="disabled for a string, a number, a list, an object, null",
    source="wire protocol, missing values; privacy",
)
def test_switch_of_wrong_type_disables_telemetry(server: Server) -> None:
    for name in SWITCHES:
        for kind, value in {**WRONG_SWITCH_VALUES, "null": None}.items():
            server.configure_text(json.dumps({**ENABLED, name: value}))
            expect_disabled(server, f"{name} {kind}")
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
