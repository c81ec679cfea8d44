"""A server under test whose certificate no authority has signed."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import pytest
import trustme
from aiohttp import web
from playwright.sync_api import Page

from pytest_sharedworker import Gateway
from pytest_sharedworker.integration.event_loop_thread import LoopThread


async def respond(_: web.BaseRequest) -> web.Response:
    return web.Response(text="private")


async def start_server() -> web.ServerRunner:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("else.test").configure_cert(tls)
    runner = web.ServerRunner(web.Server(respond))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    return runner


@pytest.fixture
def gateway_upstream(sharedworker_loop: LoopThread) -> Iterator[str]:
    """Start the server behind the gateway; return its origin."""
    runner = sharedworker_loop.run(start_server())
    yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    sharedworker_loop.run(runner.cleanup())


@pytest.mark.browser_context_args(ignore_https_errors=True)
def test_certificate_need_not_be_valid_where_the_context_ignores_errors(page: Page, gateway: Gateway) -> None:
    page.goto(gateway.url)
    assert page.locator("body").inner_text() == "private"


def test_response_says_how_to_accept_the_certificate(page: Page, gateway: Gateway) -> None:
    page.goto(gateway.url)
    assert gateway.journal.select("GET /")[0].status == 502
    assert "ignore_https_errors" in page.evaluate("document.documentElement.textContent")
