"""Origin: where an app is served from, and what stands in front of it: hosts, prefixes, policies, proxies."""

from __future__ import annotations

import pytest

from e2e.conformance.accounting import Fate
from e2e.conformance.case import FindingError, Level, case
from e2e.worker.driver.assertions import expect_one_session
from e2e.worker.driver.environments import (
    get_plain_origin,
    limit_bodies,
    open_tab_at,
    serve_below,
    serve_with_policy,
)
from e2e.worker.driver.system import Telemetry
from e2e.worker.driver.waiting import HOUR_MS, MAX_REFUSALS, advance_until, are_all_stored, count_responses

PREFIX = "/some/prefix"
STRICT_POLICY = "default-src 'self'"
"""Neither unsafe-inline nor unsafe-eval, and no other origin (W3C, Content Security Policy Level 3)."""

PROXY_LIMIT_BYTES = 1 << 20
"""What nginx allows where nothing else is configured (client_max_body_size)."""
OUTAGE_EVENTS = 2_000
LOGIN_PAGE = "<!doctype html><title>Log in</title>"


@pytest.mark.worker_clock("virtual")
@case(
    "origin/1/1",
    Level.MUST,
    "Over plain HTTP on a host that is not localhost everything works as elsewhere.",
    expected="one configuration request, all events stored in one session",
    source="web standards: such an origin is no secure context, and has no crypto.randomUUID",
)
def test_plain_http_on_another_host(telemetry: Telemetry) -> None:
    origin = get_plain_origin(telemetry)
    tabs = [open_tab_at(telemetry, origin) for _ in range(2)]
    assert not tabs[0].page.evaluate("() => isSecureContext"), "the browser trusts this origin"
    for tab in tabs:
        tab.connect()
        tab.log(3)
    telemetry.flush(2)
    expect_one_session(telemetry)
    telemetry.account()


@case(
    "origin/2/1",
    Level.MUST,
    "With a path prefix in front of the app the worker uses the endpoint below that prefix.",
    expected=f"configuration and POST below {PREFIX}, nothing at the root",
    source="wire protocol, endpoint: relative to its own script, so that a prefix works",
)
def test_a_prefix_in_front_of_the_app(telemetry: Telemetry) -> None:
    at_the_root = telemetry.endpoint
    tabs_path = serve_below(telemetry, PREFIX)
    for _ in range(2):
        tab = open_tab_at(telemetry, telemetry.gateway.url, tabs_path)
        tab.connect()
        tab.log(2)
    telemetry.flush(2)
    strays = telemetry.gateway.journal.select(at_the_root)
    if strays:
        raise FindingError(f"requests to {telemetry.endpoint}", f"{len(strays)} requests to {at_the_root}")
    telemetry.account()


@case(
    "origin/3/1",
    Level.MUST,
    "The worker runs under a Content-Security-Policy that allows neither inline code nor eval.",
    expected="all events stored",
    source="web standards: a policy is the app's choice, and telemetry is not what it is loosened for",
)
def test_a_strict_policy(telemetry: Telemetry) -> None:
    serve_with_policy(telemetry.gateway, STRICT_POLICY)
    for tab in telemetry.open_tabs(2):
        tab.log(2)
    telemetry.flush(2)
    telemetry.account()


@case(
    "origin/4/1",
    Level.SHOULD,
    "What an outage has piled up gets through a proxy that refuses bodies over 1 MiB.",
    expected="all stored once, at most an hour after the outage",
    source="data safety: a batch that is refused for its size (413) is sent in parts",
)
def test_a_proxy_that_limits_bodies(telemetry: Telemetry) -> None:
    limit_bodies(telemetry, PROXY_LIMIT_BYTES)
    tab = telemetry.open_tab()
    with telemetry.break_posts("status", status=503):
        tab.log(OUTAGE_EVENTS, component="component-" * 60)
        telemetry.flush()
    advance_until(
        telemetry, lambda: are_all_stored(telemetry) or count_responses(telemetry, 413) >= MAX_REFUSALS
    )
    telemetry.account()


@case(
    "origin/5/1",
    Level.MUST,
    "A configuration request that is redirected to a login page brings no configuration: all is dropped.",
    expected="no POST",
    source="wire protocol, missing values: no configuration, drop every event",
)
def test_configuration_behind_a_login(telemetry: Telemetry) -> None:
    telemetry.gateway.mount("/login", LOGIN_PAGE, "text/html")
    telemetry.break_config("status", status=302, headers={"Location": "/login"})
    telemetry.open_tab().log(2, fate=Fate.DROPPED)
    telemetry.flush(4)
    telemetry.expect_batches(0, "without a configuration")
    telemetry.account()


@case(
    "origin/5/2",
    Level.SHOULD,
    "A batch that is redirected to a login page, which answers 200, was not taken, and is sent again.",
    expected="all stored once, at most an hour after the login",
    source="data safety: only the endpoint's own answer says that a batch is stored",
)
def test_batch_behind_a_login(telemetry: Telemetry) -> None:
    telemetry.gateway.mount("/login", LOGIN_PAGE, "text/html")
    tab = telemetry.open_tab()
    with telemetry.break_posts("status", status=302, headers={"Location": "/login"}):
        tab.log(2)
        telemetry.flush(2)
    tab.log(2)
    telemetry.run_for(HOUR_MS)
    telemetry.account()
