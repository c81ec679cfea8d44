"""Security headers for browsers, and the metrics and OpenAPI document for programs."""

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
    "Every response tells browsers not to guess its content type.",
    expected="X-Content-Type-Options: nosniff for configuration, success, errors and pages",
    source="Fetch: X-Content-Type-Options; a browser could run data as a script or a page",
)
def test_all_responses_forbid_content_sniffing(server: Server) -> None:
    base = server.client.base_path
    responses = {
        "configuration": server.get_config(),
        "success": server.post(server.new_record()),
        "not JSON": server.post_body(b"{"),
        "another origin": server.post(
            server.new_record(Fate.FORBIDDEN), headers={"Origin": "http://evil.test"}
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
    "The server's own page runs only its own scripts: injected text cannot run.",
    expected="Content-Security-Policy for scripts without unsafe-inline, unsafe-eval and other origins",
    source="W3C, Content Security Policy Level 3",
)
def test_page_runs_only_its_own_scripts(server: Server) -> None:
    page = server.client.request("GET", server.client.base_path)
    server.account()
    if page.content_type != "text/html":
        pytest.skip("the server has no page")
    policy = page.headers.get("Content-Security-Policy", "")
    directives = {part.split()[0]: part for part in policy.split(";") if part.strip()}
    scripts = next((directives[name] for name in SCRIPT_DIRECTIVES if name in directives), None)
    if scripts is None or UNSAFE.search(scripts):
        raise FindingError("a policy that allows only the page's own scripts", policy or "no policy")


@case(
    "server/metrics/1/1",
    Level.MAY,
    "Prometheus metrics count accepted, duplicate, rejected and missing records.",
    expected="records accepted, duplicate, rejected; missing by gap; dropped and filtered, each counted once",
    source="Prometheus text format 0.0.4; wire additions: a gap in seq is a loss",
)
def test_metrics_count_records_and_losses(server: Server) -> None:
    server.require_store()
    path = f"{server.client.base_path}metrics"
    before = _parse_metrics(server.client.request("GET", path).body.decode())
    batch = [server.new_record(tab_id="tab-measured", seq=seq, session_id="measured") for seq in (0, 1, 5)]
    invalid = server.new_record(Fate.FORBIDDEN, event_name=5)
    body = {"records": [*batch, invalid], "session_id": "measured", "dropped": 2, "filtered": 1}
    for _ in range(2):  # The second POST contains only duplicates and the same loss report.
        server.post_body(json.dumps(body).encode())
    after = _parse_metrics(server.client.request("GET", path).body.decode())
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
    "The server publishes an OpenAPI document.",
    expected="an OpenAPI document at openapi.json that describes GET and POST of the endpoint",
    source="OpenAPI 3.1",
)
def test_openapi_document_describes_endpoint(server: Server) -> None:
    server.require_store()
    response = server.client.request("GET", f"{server.client.base_path}openapi.json")
    paths = response.json().get("paths", {}) if response.status == 200 else {}
    endpoint = server.client.endpoint_path[len(server.client.base_path) - 1 :]
    if not {"get", "post"} <= set(paths.get(endpoint, {})):
        raise FindingError(f"GET and POST of {endpoint}", str(response))
    server.account()


def _parse_metrics(text: str) -> dict[str, float]:
    lines = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in lines}
