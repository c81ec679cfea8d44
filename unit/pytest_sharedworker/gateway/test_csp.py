"""The Content-Security-Policy of a worker's script behind the gateway."""

from __future__ import annotations

import pytest
from aiohttp import web
from multidict import CIMultiDict

from pytest_sharedworker.control.server import ControlServer
from pytest_sharedworker.gateway.csp import allow_control, allow_inline_workers, restore_policy
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
        (["default-src 'self'"], ["default-src 'self'; connect-src 'self' {in_new}"]),
        (["default-src 'none'; img-src *;"], ["default-src 'none'; img-src *;; connect-src {in_new}"]),
        (
            ["Default-Src 'self'; Connect-Src https://a.test"],
            ["Default-Src 'self'; Connect-Src https://a.test {control}"],
        ),
        (
            ["connect-src 'self'", "default-src 'none'"],
            ["connect-src 'self' {control}", "default-src 'none'; connect-src {in_new}"],
        ),
        (
            ["connect-src 'self', default-src 'none'"],
            ["connect-src 'self' {control}", "default-src 'none'; connect-src {in_new}"],
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
    control = list_sources(port, "http", "https", "ws", "wss")
    in_new = list_sources(port, "ws", "wss", "http", "https")
    assert reply.header(name) == [each.format(control=control, in_new=in_new) for each in expected]
    assert list(map(restore_policy, reply.header(name))) == [
        each.strip() for line in policies for each in line.split(",")
    ]
    # A page's policy is not changed.
    assert send(gateway).header(name) == policies


@pytest.mark.parametrize(
    ("policy", "changed"),
    [
        ("img-src 'self'", "img-src 'self'"),
        ("worker-src blob:; connect-src 'none'", "worker-src blob:; connect-src {inline}"),
        (
            "script-src data:; default-src https://a",
            "script-src data:; default-src https://a; connect-src https://a {in_new}",
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
    inline = list_sources(port, "http", "https", "ws", "wss", "'self' blob: data:")
    in_new = list_sources(port, "ws", "wss", "http", "https", "'self' blob: data:")
    assert reply.header("Content-Security-Policy") == [changed.format(inline=inline, in_new=in_new)]
    assert restore_policy(changed.format(inline=inline, in_new=in_new)) == policy


@pytest.mark.parametrize(
    "policy",
    [
        "connect-src  'self'\thttps://a.test ;img-src *",
        "connect-src 'self' blob: data:",
        "connect-src http://*:80 https://*:80 ws://*:80",
        "default-src 'self';;",
        "default-src",
        "connect-src 'NONE'; report-uri /csp",
        "connect-src-elem a; default-src b; connect-src c",
        "",
    ],
)
def test_restored_policy_is_the_one_before(policy: str) -> None:
    for allow in (allow_control, allow_inline_workers):
        headers = CIMultiDict({"Content-Security-Policy": policy})
        allow(headers, 40123)
        allowed = headers["Content-Security-Policy"]
        assert ("wss://*:40123" in allowed) == bool(policy)
        assert restore_policy(allowed) == policy.replace("NONE", "none")


def list_sources(port: int, *sources: str) -> str:
    return " ".join(source if ":" in source else f"{source}://*:{port}" for source in sources)
