"""What a server has to tell a worker: the three values, and to stop."""

from __future__ import annotations

import json
from typing import Any

from e2e.conformance.accounting import Fate
from e2e.conformance.case import FindingError
from e2e.server.driver.http_client import Response
from e2e.server.driver.system import DISABLED_ANSWER, Server


def values_of(answer: Response) -> dict[str, Any]:
    """The three values of a configuration, without what else the answer may hold."""
    if answer.status != 200 or not isinstance(answer.json(), dict):
        raise FindingError("200 and a JSON object", str(answer))
    return {name: value for name, value in answer.json().items() if name in DISABLED_ANSWER}


def expect_values(server: Server, expected: dict[str, Any], what: str) -> None:
    """Raise a FindingError where the server tells a worker anything else."""
    values = values_of(server.get_config())
    if values != expected:
        raise FindingError(f"{json.dumps(expected)} for {what}", json.dumps(values))


def expect_disabled(server: Server, what: str) -> None:
    """No worker is to send, and one that sends all the same hears that it must stop."""
    if values_of(server.get_config())["disable_ui_telemetry"] is not True:
        raise FindingError(f"disable_ui_telemetry true for {what}", str(server.get_config()))
    answer = server.post(server.record(Fate.DROPPED))
    if answer.status != 200 or answer.word("status") != "disabled":
        raise FindingError(f'200 {{"status": "disabled"}} for {what}', str(answer))
