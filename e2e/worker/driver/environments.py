"""Serve the app in other environments: another host name, a policy, a proxy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

from playwright.sync_api import Frame

from e2e.conformance.targets.worker import ENDPOINT_PLACE
from e2e.worker.driver.app import TAB_PATH, serve_app
from e2e.worker.driver.system import Telemetry
from pytest_sharedworker import AsyncRoute, Gateway, Route
from reference_server.api.telemetry import ENDPOINT

PLAIN_HOST = "host.test"
"""A name for 127.0.0.1 that is not localhost: no secure context over plain HTTP (W3C, Secure Contexts)."""

PLAIN_ADDRESS = "[::ffff:7f00:1]"
"""Another address of 127.0.0.1, for WebKit, which resolves no names of ours: no secure context either."""


def add_plain_host(arguments: Mapping[str, Any], browser_name: str) -> dict[str, Any]:
    """Return a browser's launch arguments with an option that resolves `PLAIN_HOST` to 127.0.0.1."""
    if browser_name == "chromium":
        rules = f"--host-resolver-rules=MAP {PLAIN_HOST} 127.0.0.1"
        return {**arguments, "args": [*arguments.get("args", ()), rules]}
    if browser_name == "firefox":
        preferences = {
            **(arguments.get("firefox_user_prefs") or {}),
            "network.dns.localDomains": PLAIN_HOST,
        }
        return {**arguments, "firefox_user_prefs": preferences}
    return dict(arguments)


def serve_on_plain_host(telemetry: Telemetry) -> str:
    """Serve the app under `PLAIN_HOST` too, and return the URL of the tabs' page there."""
    # Browsers send no Sec-Fetch-Dest to such an origin: the gateway cannot recognize the script by itself.
    telemetry.gateway.add_worker_script(f"GET {telemetry.script_path}")
    browser = telemetry.context.browser
    host = PLAIN_ADDRESS if browser is not None and browser.browser_type.name == "webkit" else PLAIN_HOST
    return f"http://{host}:{urlsplit(telemetry.gateway.url).port}{TAB_PATH}"


def serve_under_name(telemetry: Telemetry, origin: str, upstream: str) -> str:
    """Serve the app at an origin such as https://app.example.test; return the URL of the tabs' page there.

    The server is behind it as behind a proxy that ends TLS.
    """
    named = telemetry.gateway.origin(origin, upstream=upstream)
    paths = serve_app(named, telemetry.implementation, ENDPOINT)
    telemetry.endpoint = origin + paths.endpoint
    telemetry.script_path = origin + paths.script
    return origin + paths.tab


def serve_with_endpoint(telemetry: Telemetry, origin: str, script: str, api: str, upstream: str) -> str:
    """Serve the app at an origin, its endpoint at another one, `api`; return the URL of the tabs' page.

    `script` is the text of a script that starts the worker with the endpoint in place of `{endpoint}`.
    """
    url = serve_under_name(telemetry, origin, upstream)
    telemetry.endpoint = api + urlsplit(telemetry.endpoint).path
    telemetry.script_path = urljoin(telemetry.script_path, "with-endpoint.js")
    telemetry.gateway.origin(origin).serve(
        urlsplit(telemetry.script_path).path, script.replace(ENDPOINT_PLACE, telemetry.endpoint)
    )
    allowed = {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Headers": "*",
        "Access-Control-Allow-Methods": "GET, POST",
    }

    async def allow(route: AsyncRoute) -> None:
        if route.exchange.method == "OPTIONS":
            route.fulfill(status=204, headers=allowed)
            return
        # The server behind it serves pages of its own origin only.
        own = {
            name: text for name, text in route.exchange.request_headers.items() if name.lower() != "origin"
        }
        response = await route.fetch(headers=own)
        route.fulfill(response=response, headers={**response.headers, **allowed})

    telemetry.gateway.origin(api, upstream=upstream).route("**", allow)
    return url


def embed(telemetry: Telemetry, top_origin: str, url: str) -> Frame:
    """Open a page of another site with the app in an iframe, and return the iframe."""
    top = telemetry.gateway.origin(top_origin)
    top.serve(
        "/",
        f"<!doctype html><title>another site</title><iframe src={url}></iframe>",
        content_type="text/html",
    )
    page = telemetry.context.new_page()
    page.goto(top_origin)
    frame = next((each for each in page.frames if each.url == url), None)
    assert frame is not None, f"{top_origin} has no frame of {url}"
    return frame


def serve_with_policy(gateway: Gateway, policy: str) -> None:
    """Send this Content-Security-Policy with every response, also with scripts."""

    async def add_policy(route: AsyncRoute) -> None:
        response = await route.fetch()
        route.fulfill(response=response, headers={**response.headers, "Content-Security-Policy": policy})

    gateway.route("GET **", add_policy)


def limit_bodies(telemetry: Telemetry, max_bytes: int) -> None:
    """Refuse batches above a size with 413, like a proxy in front of the server."""

    def refuse(route: Route) -> None:
        if len(route.exchange.request_body) > max_bytes:
            route.fulfill(status=413, body="the body is too large for this proxy")
        else:
            route.fallback()

    telemetry.route_posts(refuse)
