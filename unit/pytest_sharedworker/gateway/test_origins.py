"""Origins behind names, as a client of the proxy sees them."""

from __future__ import annotations

import http.client
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme
from aiohttp import web

from pytest_sharedworker.control.server import ControlServer
from pytest_sharedworker.errors import GatewayError
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.gateway.origins.certificates import CertificateAuthority
from pytest_sharedworker.gateway.toxics import Down, HttpStatus, ResetPeer
from pytest_sharedworker.integration.event_loop_thread import LoopThread
from unit.support.servers import Upstream

TIMEOUT_SECONDS = 10
APP, API = "https://app.example.test", "https://api.example.test"


class Reply(NamedTuple):
    """What a client of the proxy gets."""

    status: int
    body: bytes


class Browser:
    """Requests URLs through a gateway's proxy, and trusts its certificates only."""

    def __init__(self, gateway: Gateway, certificates: CertificateAuthority) -> None:
        self._port = int(gateway.context_options["proxy"]["server"].rpartition(":")[2])
        self._tls = ssl.create_default_context(cadata=certificates._get_authority().cert_pem.bytes().decode())

    def connect(self, url: str) -> http.client.HTTPConnection:
        """Return a connection that can request a URL."""
        scheme, _, host, *_ = url.split("/", 3)
        if scheme == "http:":
            return http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT_SECONDS)
        name, _, port = host.partition(":")
        tunnel = http.client.HTTPSConnection(
            "127.0.0.1", self._port, timeout=TIMEOUT_SECONDS, context=self._tls
        )
        tunnel.set_tunnel(name, int(port or 443))
        return tunnel

    def send(self, url: str, method: str = "GET", headers: dict[str, str] | None = None) -> Reply:
        """Return the response to a request."""
        connection = self.connect(url)
        is_tunnel = url.startswith("https:")
        target = "/" + url.split("/", 3)[3] if is_tunnel else url
        try:
            connection.request(method, target, headers=headers or {})
            response = connection.getresponse()
            return Reply(response.status, response.read())
        finally:
            connection.close()


@pytest.fixture
def authority() -> CertificateAuthority:
    """Return the authority of the gateway under test."""
    return CertificateAuthority()


@pytest.fixture
def named_gateway(
    sharedworker_loop: LoopThread, sharedworker_control: ControlServer, authority: CertificateAuthority
) -> Iterator[Gateway]:
    """Return a gateway without a server of its own."""
    gateway = Gateway(sharedworker_loop, sharedworker_control, None, authority)
    gateway._start()
    yield gateway
    gateway._stop()


@pytest.fixture
def client(named_gateway: Gateway, authority: CertificateAuthority) -> Browser:
    """Return a client of the proxy."""
    return Browser(named_gateway, authority)


@pytest.mark.parametrize(
    "origin",
    [
        "https://app.example.test",
        "http://app.example.test",
        "https://app.example.test:8443",
        "http://localhost:5173",
        "https://under_score.example.test",
        "https://xn--bcher-kva.test",
    ],
)
def test_content_is_served_at_its_origin_only(origin: str, named_gateway: Gateway, client: Browser) -> None:
    named = named_gateway.origin(origin)
    assert named.serve("/page", "here") == f"{origin}/page"
    if "_" in origin:
        client._tls.check_hostname = False
    assert client.send(f"{origin}/page?a=1") == (200, b"here")
    assert client.send(f"{origin}/other").status == 404
    assert client.send("http://else.test/page").status == 502
    assert [exchange.url for exchange in named_gateway.journal][:2] == [
        f"{origin}/page?a=1",
        f"{origin}/other",
    ]


def test_server_behind_a_name_gets_the_request_as_it_was_sent(
    named_gateway: Gateway, client: Browser, upstream: Upstream
) -> None:
    origin = named_gateway.origin(APP, upstream=upstream.url)
    origin.rewrite("/v1", "/v2")
    sent = {"Proxy-Connection": "keep-alive", "X-Own": "a"}
    assert client.send(f"{APP}/v1?q=%20", "PATCH", sent) == (200, b"fine")
    [received] = upstream.received
    assert (received.method, received.raw_path) == ("PATCH", "/v2?q=%20")
    assert received.header("Host") == ["app.example.test"]
    assert received.header("X-Own") == ["a"]
    assert received.header("X-Forwarded-Proto") == ["https"]
    assert received.header("Proxy-Connection") == []


@pytest.mark.parametrize("accepts", [True, False])
def test_server_with_a_private_certificate(
    accepts: bool, named_gateway: Gateway, client: Browser, sharedworker_loop: LoopThread
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("else.test").configure_cert(tls)

    async def respond(_: web.BaseRequest) -> web.Response:
        return web.Response(text="private")

    async def start() -> web.ServerRunner:
        runner = web.ServerRunner(web.Server(respond))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        return runner

    runner = sharedworker_loop.run(start())
    server = f"https://127.0.0.1:{runner.addresses[0][1]}"
    named_gateway.origin(APP, upstream=server, ignore_https_errors=accepts)
    reply = client.send(f"{APP}/")
    sharedworker_loop.run(runner.cleanup())
    assert reply == (200, b"private") if accepts else reply.status == 502


def test_request_to_no_origin_is_refused_under_test_and_passed_on_else(
    named_gateway: Gateway, client: Browser, upstream: Upstream
) -> None:
    named_gateway.origin(APP)
    refused = client.send("https://typo.example.test/")
    assert refused.status == 502
    assert b"gateway.origin('https://typo.example.test')" in refused.body
    assert named_gateway.journal.exchanges[-1].route == "refused: no origin"
    assert client.send(f"{upstream.url}/real") == (200, b"fine")
    assert named_gateway.journal.exchanges[-1].url == f"{upstream.url}/real"


def test_unhandled_request_to_another_origin_can_fail_the_test(
    named_gateway: Gateway, client: Browser, upstream: Upstream
) -> None:
    named_gateway.origin(APP).serve("/", "fine")
    named_gateway.on_unhandled_request = "error"
    assert client.send(f"{APP}/").status == 200
    assert client.send(f"{upstream.url}/real").status == 500
    assert upstream.received == []
    with pytest.raises(GatewayError, match=rf"handles GET {upstream.url}/real "):
        named_gateway._raise_handler_error()


def test_own_origin_is_reached_through_the_proxy(named_gateway: Gateway, client: Browser) -> None:
    named_gateway.serve("/own", "own")
    assert client.send(f"{named_gateway.url}/own") == (200, b"own")
    assert client.send(named_gateway.url.replace("127.0.0.1", "localhost") + "/own") == (200, b"own")
    assert {exchange.url for exchange in named_gateway.journal} == {f"{named_gateway.url}/own"}


@pytest.mark.parametrize("host", ["app.example.test", "APP.example.test:80", "app.example.test:8080"])
def test_request_without_its_origin_is_for_the_host_in_its_header(
    named_gateway: Gateway, client: Browser, host: str
) -> None:
    origin = f"http://{host.lower().removesuffix(':80')}"
    named_gateway.origin(origin).serve("/x", "named")
    connection = client.connect(f"http://{host}/x")
    connection.request("GET", "/x", headers={"Host": host})
    assert connection.getresponse().read() == b"named"
    connection.close()
    assert [exchange.url for exchange in named_gateway.journal] == [f"{origin}/x"]


def test_patterns_of_an_origin_match_there_only(named_gateway: Gateway, client: Browser) -> None:
    app, api = named_gateway.origin(APP), named_gateway.origin(API)
    app.serve("/x", "app")
    api.serve("/x", "api")
    app.add_toxic(HttpStatus(503), on="**/x", times=1)
    rule = api.route("/x", lambda route: route.fulfill(body="mocked"))
    assert client.send(f"{API}/x") == (200, b"mocked")
    assert client.send(f"{APP}/x").status == 503
    rule.remove()
    # Those of the gateway match everywhere.
    named_gateway.route("**/x", lambda route: route.fulfill(body="all"))
    assert [client.send(f"{origin}/x").body for origin in (APP, API)] == [b"all", b"all"]


def test_pattern_may_name_another_origin_with_a_proxy_only(named_gateway: Gateway) -> None:
    with pytest.raises(GatewayError, match="the URLs of this gateway begin with"):
        named_gateway.route(f"{APP}/x", lambda route: route.abort())
    app = named_gateway.origin(APP)
    named_gateway.route(f"{API}/x", lambda route: route.abort(), optional=True)
    with pytest.raises(GatewayError, match=f"begin with {APP}/"):
        app.route(f"{API}/x", lambda route: route.abort())


def test_origin_is_the_same_for_the_same_url(named_gateway: Gateway, client: Browser) -> None:
    named_gateway.origin("https://App.Example.test:443/").serve("/one", "1")
    named_gateway.origin(APP).serve("/two", "2")
    assert (client.send(f"{APP}/one").body, client.send(f"{APP}/two").body) == (b"1", b"2")


@pytest.mark.parametrize(
    ("url", "match"),
    [
        ("app.example.test", "did you mean 'https://app.example.test'"),
        ("wss://app.example.test", "is no origin"),
        ("https://app.example.test/login", "did you mean 'https://app.example.test'"),
        ("https://*.example.test", "is no origin"),
        ("https://user@app.example.test", "is no origin"),
        ("https://app.example.test:port", "is no origin"),
        ("", "is no origin"),
    ],
)
def test_what_is_no_origin_is_refused(url: str, match: str, named_gateway: Gateway) -> None:
    with pytest.raises(GatewayError, match=match):
        named_gateway.origin(url)


def test_own_url_is_no_other_origin(named_gateway: Gateway) -> None:
    for url in (named_gateway.url, named_gateway.url.replace("127.0.0.1", "localhost")):
        with pytest.raises(GatewayError, match="own origin"):
            named_gateway.origin(url)


def test_origin_after_a_context_without_the_proxy_comes_too_late(named_gateway: Gateway) -> None:
    named_gateway._note_direct_context()
    with pytest.raises(GatewayError, match=r"comes too late: .*gateway_proxy"):
        named_gateway.origin(APP)


def test_down_takes_all_origins(named_gateway: Gateway, client: Browser) -> None:
    named_gateway.origin(APP).serve("/", "up")
    with named_gateway.add_toxic(Down()), pytest.raises((OSError, http.client.HTTPException)):
        client.send(f"{APP}/")
    assert client.send(f"{APP}/") == (200, b"up")


def test_connection_over_tls_is_reset(named_gateway: Gateway, client: Browser) -> None:
    named_gateway.origin(APP).serve("/", "up")
    with named_gateway.add_toxic(ResetPeer()), pytest.raises(ConnectionResetError):
        client.send(f"{APP}/")
    assert named_gateway.journal.exchanges[-1].cut == "reset"


@pytest.mark.parametrize(
    "garbage", [b"", b"CONN", b"CONNECT nothing", b"CONNECT a:b\r\n\r\n", b"\x16\x03\x01"]
)
def test_broken_connections_do_no_harm(garbage: bytes, named_gateway: Gateway, client: Browser) -> None:
    named_gateway.origin(APP).serve("/", "up")
    connection = client.connect("http://app.example.test/")
    connection.connect()
    connection.sock.sendall(garbage)
    connection.close()
    assert client.send(f"{APP}/") == (200, b"up")


def test_no_key_stays_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named_gateway: Gateway, client: Browser
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    named_gateway.origin(APP).serve("/", "up")
    assert client.send(f"{APP}/") == (200, b"up")
    assert list(tmp_path.iterdir()) == []
