"""What a server tells beside telemetry: to browsers about its answers, to programs about itself."""

from __future__ import annotations

import json
import re

import pytest

from e2e.conformance.accounting import Fate
from e2e.conformance.case import FindingError, Level, case
from e2e.server.driver.assertions import expect_each
from e2e.server.driver.system import Server

UNSAFE = re.compile(r"'unsafe-(inline|eval)'|\*|\b(data|blob|https?):")
SCRIPT_DIRECTIVES = ("script-src", "default-src")


@case(
    "server/security/4/1",
    Level.SHOULD,
    "Browsers are told to take every answer for what it says it is.",
    expected="X-Content-Type-Options: nosniff for configuration, success, errors and pages",
    source="Fetch: X-Content-Type-Options; data that a browser takes for a script or a page",
)
def test_every_answer_is_what_it_says_it_is(server: Server) -> None:
    base = server.client.base_path
    responses = {
        "configuration": server.get_config(),
        "success": server.post(server.new_record()),
        "not JSON": server.post_body(b"{"),
        "another origin": server.post(
            server.new_record(Fate.DROPPED), headers={"Origin": "http://evil.test"}
        ),
        "no such path": server.client.request("GET", f"{base}nothing"),
        "base": server.client.request("GET", base),
    }
    expect_each(
        "X-Content-Type-Options: nosniff",
        responses,
        lambda response: response.headers.get("X-Content-Type-Options", "").strip().lower() == "nosniff",
    )
    server.account()


@case(
    "server/security/4/2",
    Level.SHOULD,
    "The server's own page runs no script but its own: text that gets into it by mistake does nothing.",
    expected="Content-Security-Policy for scripts without unsafe-inline, unsafe-eval and foreign places",
    source="W3C, Content Security Policy Level 3",
)
def test_the_page_runs_no_script_but_its_own(server: Server) -> None:
    page = server.client.request("GET", server.client.base_path)
    server.account()
    if page.content_type != "text/html":
        pytest.skip("it has no page of its own")
    policy = page.headers.get("Content-Security-Policy", "")
    directives = {part.split()[0]: part for part in policy.split(";") if part.strip()}
    scripts = next((directives[name] for name in SCRIPT_DIRECTIVES if name in directives), None)
    if scripts is None or UNSAFE.search(scripts):
        raise FindingError("a policy for scripts that lets only its own run", policy or "no policy")


@case(
    "server/metrics/1/1",
    Level.MAY,
    "Figures for Prometheus tell what became of records, and what is missing.",
    expected="records accepted, duplicate and rejected; missing by gap; dropped and filtered, each once",
    source="Prometheus text format 0.0.4; wire additions: loss by gap of a tab",
)
def test_figures_tell_what_became_of_records(server: Server) -> None:
    server.require_store()
    path = f"{server.client.base_path}metrics"
    before = _figures(server.client.request("GET", path).body.decode())
    batch = [server.new_record(tab_id="tab-measured", seq=seq, session_id="measured") for seq in (0, 1, 5)]
    bad = server.new_record(Fate.DROPPED, event_name=5)
    body = {"records": [*batch, bad], "session_id": "measured", "dropped": 2, "filtered": 1}
    for _ in range(2):  # The second time nothing of it is new, and the report is the same one.
        server.post_body(json.dumps(body).encode())
    after = _figures(server.client.request("GET", path).body.decode())
    expected = {
        "telemetry_records_accepted_total": 6,
        "telemetry_records_duplicate_total": 3,
        "telemetry_records_rejected_total": 2,
        "telemetry_events_missing": 3,
        "telemetry_events_dropped": 2,
        "telemetry_events_filtered": 1,
        'telemetry_requests_total{method="POST",status="200"}': 2,
    }
    grown = {name: after.get(name, 0) - before.get(name, 0) for name in expected}
    if grown != expected:
        raise FindingError(json.dumps(expected), json.dumps(grown))
    server.account()


@case(
    "server/description/1/1",
    Level.MAY,
    "The server describes itself to programs.",
    expected="an OpenAPI document at openapi.json that holds the endpoint, with GET and POST",
    source="OpenAPI 3.1",
)
def test_the_server_describes_itself(server: Server) -> None:
    server.require_store()
    response = server.client.request("GET", f"{server.client.base_path}openapi.json")
    paths = response.json().get("paths", {}) if response.status == 200 else {}
    endpoint = server.client.endpoint_path[len(server.client.base_path) - 1 :]
    if not {"get", "post"} <= set(paths.get(endpoint, {})):
        raise FindingError(f"GET and POST of {endpoint}", str(response))
    server.account()


def _figures(text: str) -> dict[str, float]:
    lines = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in lines}
