"""Checks of responses, the configuration and the store. Each raises FindingError when it does not hold."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from e2e.conformance.accounting import Fate
from e2e.conformance.case import FindingError
from e2e.server.driver.http_client import Response
from e2e.server.driver.system import DISABLED_VALUES, Record, Server


def expect_each(expected: str, responses: Mapping[str, Response], holds: Callable[[Response], bool]) -> None:
    """Raise FindingError that names every response of a table for which `holds` is false."""
    wrong = [f"{name}: {response}" for name, response in responses.items() if not holds(response)]
    if wrong:
        raise FindingError(expected, "\n".join(wrong))


def is_client_error(response: Response) -> bool:
    """Return whether the status is 4xx: the worker does not take it for success and does not retry."""
    return 400 <= response.status < 500


def expect_success(response: Response, description: str) -> None:
    """Raise FindingError if a batch was not accepted."""
    if not response.is_success:
        raise FindingError(f'200 {{"status": "success"}} for {description}', str(response))


def expect_accepts_record(server: Server) -> None:
    """Raise FindingError if the server does not accept a valid record."""
    response = server.post(server.new_record())
    if not response.is_success:
        raise FindingError("the server accepts the next valid record", str(response))


def expect_stored_as_sent(server: Server, sent: list[Record]) -> None:
    """Raise FindingError that shows the first stored record that differs from the one that was sent."""
    stored = server.get_stored_records()
    for before, after in zip(sent, stored, strict=False):
        if before != after:
            raise FindingError(json.dumps(before)[:1_000], json.dumps(after)[:1_000])
    if len(stored) != len(sent):
        raise FindingError(f"{len(sent)} records stored", f"{len(stored)}")


def read_config_values(response: Response) -> dict[str, Any]:
    """Return the three values of a configuration, without other members of the response."""
    if response.status != 200 or not isinstance(response.json(), dict):
        raise FindingError("200 and a JSON object", str(response))
    return {name: value for name, value in response.json().items() if name in DISABLED_VALUES}


def expect_config_values(server: Server, expected: dict[str, Any], description: str) -> None:
    """Raise FindingError if the server's configuration has other values."""
    values = read_config_values(server.get_config())
    if values != expected:
        raise FindingError(f"{json.dumps(expected)} for {description}", json.dumps(values))


def is_deferred(response: Response) -> bool:
    """Return whether the server asks to try again later: 503 with Retry-After in seconds."""
    return response.status == 503 and response.headers.get("Retry-After", "").isdigit()


def expect_not_enabled(server: Server, description: str) -> None:
    """Raise FindingError if GET enables telemetry or POST accepts a record."""
    response = server.get_config()
    if response.get_member("disable_ui_telemetry") is False:
        raise FindingError(f"telemetry is not enabled for {description}", str(response))
    response = server.post(server.new_record(Fate.FORBIDDEN))
    if response.is_success:
        raise FindingError(f"the record is not accepted for {description}", str(response))


def expect_never_disabled(server: Server, description: str) -> None:
    """Raise FindingError if a worker would stop: an explicit `disabled`, or neither success nor 503."""
    response = server.get_config()
    if response.get_member("disable_ui_telemetry") is not False and not is_deferred(response):
        expected = f"the last configuration, or 503 with Retry-After, for {description}"
        raise FindingError(expected, str(response))
    response = server.post_and_account(server.new_record())
    if not response.is_success and not is_deferred(response):
        raise FindingError(f"success, or 503 with Retry-After, for {description}", str(response))


def expect_unknown(server: Server, description: str) -> None:
    """Raise FindingError unless GET and POST respond with 503 and Retry-After."""
    for name, response in (
        ("GET", server.get_config()),
        ("POST", server.post(server.new_record(Fate.FORBIDDEN))),
    ):
        if not is_deferred(response):
            raise FindingError(f"503 with Retry-After for {name} and {description}", str(response))


def expect_disabled(server: Server, description: str) -> None:
    """Raise FindingError if GET does not disable telemetry, or POST does not respond with `disabled`."""
    if read_config_values(server.get_config())["disable_ui_telemetry"] is not True:
        raise FindingError(f"disable_ui_telemetry true for {description}", str(server.get_config()))
    response = server.post(server.new_record(Fate.FORBIDDEN))
    if response.status != 200 or response.get_member("status") != "disabled":
        raise FindingError(f'200 {{"status": "disabled"}} for {description}', str(response))
