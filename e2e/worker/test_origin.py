"""Origin: hosts, path prefixes, policies and proxies between the app and its server."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from e2e.conformance.accounting import Fate
from e2e.conformance.case import FindingError, Level, case
from e2e.conformance.preconditions import require_exercised, require_supported
from e2e.conformance.report.observations import Observations
from e2e.worker.driver.assertions import expect_one_session
from e2e.worker.driver.environments import (
    embed,
    limit_bodies,
    serve_on_plain_host,
    serve_under_name,
    serve_with_endpoint,
    serve_with_policy,
)
from e2e.worker.driver.system import ANY_QUERY, Telemetry
from e2e.worker.driver.waiting import (
    MAX_BACKOFF_MS,
    MAX_REFUSALS,
    advance_until,
    are_all_stored,
    count_responses,
)
from pytest_sharedworker import HttpStatus

APP = "https://app.example.test"
API = "https://api.example.test"
PREFIX = "/some/prefix"
STRICT_POLICY = "default-src 'self'"
"""Neither unsafe-inline nor unsafe-eval, and no other origin (W3C, Content Security Policy Level 3)."""

PROXY_LIMIT_BYTES = 1 << 20
"""The default limit of nginx (client_max_body_size)."""
OUTAGE_EVENTS = 2_000
LOGIN_PAGE = "<!doctype html><title>Log in</title>"


@pytest.mark.worker_clock("virtual")
@case(
    "origin/1/1",
    Level.MUST,
    "A worker works as usual over plain HTTP on a host other than localhost.",
    expected="one configuration request, all events stored in one session",
    source="web standards: such an origin is not a secure context and has no crypto.randomUUID",
)
def test_worker_runs_over_plain_http_on_another_host(telemetry: Telemetry) -> None:
    url = serve_on_plain_host(telemetry)
    tabs = [telemetry.open_tab(url=url, connect=False) for _ in range(2)]
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
    "A worker of an app below a path prefix uses the endpoint below that prefix.",
    expected=f"configuration and POST below {PREFIX}, nothing at the root",
    source="wire protocol, endpoint: relative to its own script, so that a prefix works",
)
def test_worker_uses_the_path_prefix_of_the_app(telemetry: Telemetry) -> None:
    root_endpoint = telemetry.endpoint
    url = telemetry.serve_below(PREFIX)
    for _ in range(2):
        telemetry.open_tab(url=url).log(2)
    telemetry.flush(2)
    strays = telemetry.gateway.journal.select(f"{root_endpoint}{{,?**}}")
    if strays:
        raise FindingError(f"requests to {telemetry.endpoint}", f"{len(strays)} requests to {root_endpoint}")
    telemetry.account()


@case(
    "origin/3/1",
    Level.MUST,
    "A worker runs under a Content-Security-Policy that allows neither inline code nor eval.",
    expected="all events stored",
    source="web standards: the app chooses its policy and does not loosen it for telemetry",
)
def test_worker_runs_under_a_strict_policy(telemetry: Telemetry) -> None:
    serve_with_policy(telemetry.gateway, STRICT_POLICY)
    for tab in telemetry.open_tabs(2):
        tab.log(2)
    telemetry.flush(2)
    telemetry.account()


@case(
    "origin/4/1",
    Level.SHOULD,
    "A worker gets the backlog of an outage through a proxy that rejects bodies over 1 MiB.",
    expected="all stored once, at most an hour after the outage",
    source="data safety: a batch that is rejected for its size (413) is split",
)
def test_backlog_passes_a_proxy_that_limits_bodies(telemetry: Telemetry) -> None:
    limit_bodies(telemetry, PROXY_LIMIT_BYTES)
    tab = telemetry.open_tab()
    with telemetry.break_posts(HttpStatus(503)):
        tab.log(OUTAGE_EVENTS, component="component-" * 60)
        telemetry.flush()
    advance_until(
        telemetry, lambda: are_all_stored(telemetry) or count_responses(telemetry, 413) >= MAX_REFUSALS
    )
    telemetry.account()


@case(
    "origin/5/1",
    Level.MUST,
    "A worker drops every event if its configuration request is redirected to a login page.",
    expected="no POST",
    source="wire protocol, missing values: no configuration, drop every event",
)
def test_config_redirected_to_a_login_page_drops_events(telemetry: Telemetry) -> None:
    telemetry.gateway.serve("/login", LOGIN_PAGE, content_type="text/html")
    telemetry.break_config(HttpStatus(302, headers={"Location": "/login"}))
    telemetry.open_tab().log(2, fate=Fate.FORBIDDEN)
    telemetry.flush(4)
    telemetry.expect_batches(0, "without a configuration")
    telemetry.account()


@case(
    "origin/5/2",
    Level.SHOULD,
    "A worker sends a batch again that was redirected to a login page, even if the page responds with 200.",
    expected="all stored once, at most an hour after the login",
    source="data safety: only a response of the endpoint itself confirms that a batch is stored",
)
def test_batch_redirected_to_a_login_page_is_sent_again(telemetry: Telemetry) -> None:
    telemetry.gateway.serve("/login", LOGIN_PAGE, content_type="text/html")
    tab = telemetry.open_tab()
    with telemetry.break_posts(HttpStatus(302, headers={"Location": "/login"})):
        tab.log(2)
        telemetry.flush(2)
    tab.log(2)
    telemetry.run_for(MAX_BACKOFF_MS)
    telemetry.account()


@pytest.mark.gateway_proxy
@case(
    "origin/6/1",
    Level.MUST,
    "A worker works as usual at an https origin behind a proxy that ends TLS.",
    expected="one configuration request, all events stored in one session",
    source="wire protocol, endpoint: relative to its own script; web standards: a secure context",
)
def test_worker_runs_at_an_https_name(telemetry: Telemetry, gateway_upstream: str) -> None:
    url = serve_under_name(telemetry, APP, gateway_upstream)
    for _ in range(2):
        telemetry.open_tab(url=url).log(3)
    telemetry.flush(2)
    expect_one_session(telemetry)
    telemetry.account()


@pytest.mark.gateway_proxy
@case(
    "origin/7/1",
    Level.MUST,
    "The app in iframes of two other sites sends the events of both.",
    expected="all events stored once, whether the browser gives the two sites one worker or two",
    source="web standards: browsers partition a third party's workers and storage by the top-level site",
)
def test_app_in_iframes_of_two_sites_sends_all_events(
    telemetry: Telemetry, gateway_upstream: str, observations: Observations
) -> None:
    url = serve_under_name(telemetry, APP, gateway_upstream)
    for site in ("https://one.test", "https://two.test"):
        telemetry.add_tab(embed(telemetry, site, url)).log(3)
    telemetry.flush(2)
    workers = len(telemetry.workers.history)
    observations(f"the two sites have {workers} worker{'' if workers == 1 else 's'}")
    telemetry.account()


@pytest.mark.gateway_proxy
@case(
    "origin/8/1",
    Level.MUST,
    "A worker whose endpoint is at another origin reads its configuration and sends its batches there.",
    expected="one POST after its preflight, all stored in one session, nothing at the app's own origin",
    source="web standards: Fetch, a POST of JSON to another origin needs a preflight",
)
def test_worker_uses_an_endpoint_at_another_origin(telemetry: Telemetry, gateway_upstream: str) -> None:
    script = telemetry.implementation.worker.with_endpoint
    require_supported(script, "the worker has no setting for an endpoint at another origin")
    assert script is not None
    url = serve_with_endpoint(telemetry, APP, script, API, gateway_upstream)
    for _ in range(2):
        telemetry.open_tab(url=url).log(3)
    telemetry.flush()
    strays = telemetry.gateway.journal.select(f"{APP}{urlsplit(telemetry.endpoint).path}{ANY_QUERY}")
    if strays:
        raise FindingError(f"requests to {telemetry.endpoint}", f"{len(strays)} requests to {APP}")
    telemetry.expect_batches(1, "after one interval")
    require_exercised(
        telemetry.gateway.journal.select(f"OPTIONS {telemetry.endpoint}{ANY_QUERY}"), "no preflight"
    )
    expect_one_session(telemetry)
    telemetry.account()
