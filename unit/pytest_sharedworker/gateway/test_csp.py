"""The Content-Security-Policy of a worker's script behind the gateway."""

from __future__ import annotations

import pytest
from aiohttp import web
from multidict import CIMultiDict

from pytest_sharedworker.control.server import ControlServer
from pytest_sharedworker.gateway.gateway import Gateway
from unit.support.servers import Upstream, send
from unit.support.worker_scripts import WORKER_HEADERS, Prologue


@pytest.mark.parametrize("name", ["Content-Security-Policy", "Content-Security-Policy-Report-Only"])
@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        (["script-src 'self'"], ["script-src 'self'"]),
        (["connect-src 'self'"], ["connect-src 'self' {control}"]),
        (["connect-src 'none'"], ["connect-src {control}"]),
        (["default-src 'self'"], ["default-src 'self'; connect-src 'self' {control}"]),
        (["default-src 'none'; img-src *;"], ["default-src 'none'; img-src *; connect-src {control}"]),
        (
            ["Default-Src 'self'; Connect-Src https://a.test"],
            ["Default-Src 'self'; connect-src https://a.test {control}"],
        ),
        (
            ["connect-src 'self'", "default-src 'none'"],
            ["connect-src 'self' {control}", "default-src 'none'; connect-src {control}"],
        ),
        (
            ["connect-src 'self', default-src 'none'"],
            ["connect-src 'self' {control}", "default-src 'none'; connect-src {control}"],
        ),
    ],
)
def test_policy_allows_the_control_channel_only(
    gateway: Gateway,
    upstream: Upstream,
    sharedworker_control: ControlServer,
    policies: list[str],
    expected: list[str],
    name: str,
) -> None:
    gateway._attach(Prologue())
    headers = CIMultiDict((name, policy) for policy in policies)
    upstream.respond = lambda _: web.Response(text="a();", headers=headers)
    reply = send(gateway, "GET /w.js HTTP/1.1", *WORKER_HEADERS)
    port = sharedworker_control.port
    control = " ".join(f"{scheme}://*:{port}" for scheme in ("http", "https", "ws", "wss"))
    assert reply.header(name) == [each.format(control=control) for each in expected]
    # A page's policy is not changed.
    assert send(gateway).header(name) == policies


@pytest.mark.parametrize(
    ("policy", "changed"),
    [
        ("img-src 'self'", "img-src 'self'"),
        ("worker-src blob:; connect-src 'none'", "worker-src blob:; connect-src {inline}"),
        (
            "script-src data:; default-src https://a",
            "script-src data:; default-src https://a; connect-src https://a {inline}",
        ),
        ("worker-src 'self'; connect-src 'none'", "worker-src 'self'; connect-src 'none'"),
        ("default-src 'self'", "default-src 'self'"),
    ],
)
def test_page_that_allows_inline_workers_reaches_the_plugin(
    gateway: Gateway, sharedworker_control: ControlServer, policy: str, changed: str
) -> None:
    gateway._attach(Prologue())
    gateway.serve("/p.html", "", headers={"Content-Security-Policy": policy})
    reply = send(gateway, "GET /p.html HTTP/1.1", "Host: gateway", "Sec-Fetch-Dest: document")
    port = sharedworker_control.port
    inline = f"'self' blob: data: http://*:{port} https://*:{port} ws://*:{port} wss://*:{port}"
    assert reply.header("Content-Security-Policy") == [changed.format(inline=inline)]
