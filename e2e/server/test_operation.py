"""What an operator relies on: counters that are exact after a crash and cannot be spoiled, private rejects.

`test_pages.py` covers what the counters count.
"""

from __future__ import annotations

import json

import pytest

from e2e.conformance.accounting import Fate
from e2e.conformance.case import FindingError, Level, case
from e2e.server.driver.assertions import expect_success
from e2e.server.driver.system import Server, StartServer

COUNTERS = (
    "telemetry_records_accepted_total",
    "telemetry_records_duplicate_total",
    "telemetry_records_rejected_total",
    "telemetry_events_missing",
    "telemetry_events_dropped",
    "telemetry_events_filtered",
)
FORGED_NUMBERS = (2**31 - 1, 10**9, 10**7)
PLAUSIBLE_LOSS = 1_000_000


def _read_counters(server: Server) -> dict[str, float]:
    """Return the counters of records. Skip the case if the server has none."""
    response = server.client.request("GET", f"{server.client.base_path}metrics")
    lines = [line.rsplit(" ", 1) for line in response.body.decode().splitlines() if not line.startswith("#")]
    found = {line[0]: float(line[1]) for line in lines if line[0] in COUNTERS}
    if response.status != 200 or not found:
        pytest.skip("the server has no metrics")
    return found


@case(
    "server/metrics/1/2",
    Level.MAY,
    "The counters of records are exact after the server's process was killed.",
    expected="accepted, duplicate, rejected, missing, dropped and filtered: the same before and after",
    source="a counter that starts again at 0 hides what was lost in a crash",
)
def test_counters_survive_a_crash(start_server: StartServer) -> None:
    server = start_server()
    batch = [server.new_record(tab_id="tab-counted", seq=seq) for seq in (0, 1, 7)]
    invalid = server.new_record(Fate.FORBIDDEN, event_name=5)
    body = {"records": [*batch, invalid], "session_id": "counted", "dropped": 2, "filtered": 1}
    for _ in range(2):
        expect_success(server.post_body(json.dumps(body).encode()), "a batch")
    before = _read_counters(server)
    server.process.kill()
    server.restart()
    after = _read_counters(server)
    if after != before or before.get("telemetry_events_missing") != 5:
        raise FindingError(json.dumps(before), json.dumps(after))
    server.account()


@case(
    "server/metrics/1/3",
    Level.MAY,
    "A record with a forged number does not spoil the count of missing events.",
    expected=f"one record each with seq {', '.join(map(str, FORGED_NUMBERS))}: rejected, or counted as less "
    f"than {PLAUSIBLE_LOSS} missing events; later gaps are still counted",
    source="data safety: anybody can post a record, and the count cannot be reset",
)
def test_forged_number_does_not_spoil_the_count(server: Server) -> None:
    server.require_store()
    before = _read_counters(server)
    for number in FORGED_NUMBERS:
        server.post(server.new_record(Fate.OPTIONAL, tab_id=f"tab-forged-{number}", seq=number))
    forged = _read_counters(server)
    expect_success(server.post(server.new_record(tab_id="tab-honest", seq=3)), "a record")
    after = _read_counters(server)
    name = "telemetry_events_missing"
    if forged[name] - before[name] >= PLAUSIBLE_LOSS or after[name] - forged[name] != 3:
        raise FindingError("a plausible count", json.dumps([before[name], forged[name], after[name]]))
    server.account()


@case(
    "server/security/3/6",
    Level.SHOULD,
    "No response holds what another client sent and the server rejected.",
    expected="rejected records and bodies are in the response to nobody else, whatever is requested",
    source="privacy: a rejected record holds the same personal data as a stored one",
)
def test_rejected_content_is_in_no_response(server: Server) -> None:
    base, endpoint = server.client.base_path, server.client.endpoint_path
    mark = "rejected-and-private"
    server.post(server.new_record(Fate.FORBIDDEN, event_name=5, installation_id=mark))
    server.post_body(f'{{"records": ["{mark}"'.encode())
    server.post_body(json.dumps({"events": [mark]}).encode())
    pages = [
        "health",
        "ready",
        "metrics",
        "openapi.json",
        "dead-letters",
        "dead_letters",
        "rejected",
        "errors",
    ]
    for path in (base, endpoint, f"{endpoint}?rejected", *(base + page for page in pages)):
        response = server.client.request("GET", path)
        if mark.encode() in response.body:
            raise FindingError("no rejected record in a response", f"GET {path}: {response}")
    server.account()
