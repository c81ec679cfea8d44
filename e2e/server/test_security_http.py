"""Ambiguous requests and data that is not HTTP: the server rejects them and serves the requests that follow.

An operator can configure the hosts that the server accepts. The cases check the default.
"""

from __future__ import annotations

from e2e.conformance.accounting import Fate
from e2e.conformance.case import FindingError, Level, case
from e2e.server.driver.assertions import expect_accepts_record, expect_each, is_client_error
from e2e.server.driver.http_client import CLOSED, Response
from e2e.server.driver.system import Server, StartServer, encode_batch

EVIL = "http://evil.test"


@case(
    "server/security/2/1",
    Level.SHOULD,
    "The server rejects a request without exactly one Host header, because its origin is ambiguous.",
    expected="400 (or another status from 400 to 499, or the connection closed)",
    source="RFC 9112 §3.2",
)
def test_request_without_exactly_one_host_is_rejected(server: Server) -> None:
    own = server.client.host
    hosts: dict[str, list[str] | None] = {
        "no host": None,
        "the same twice": [own, own],
        "another after it": [own, "evil.test"],
        "another before it": ["evil.test", own],
    }
    responses = {}
    for name, host in hosts.items():
        for origin in (server.client.origin, EVIL):
            headers = {"Host": host, "Origin": origin}
            responses[f"{name}, {origin}"] = server.post(server.new_record(Fate.FORBIDDEN), headers=headers)
    expect_each("400", responses, _is_rejected)
    expect_accepts_record(server)
    server.account()


@case(
    "server/security/2/2",
    Level.MAY,
    "The server rejects a request whose Host header is invalid.",
    expected="400 (or another status from 400 to 499, or the connection closed)",
    source="RFC 9112 §3.2: an invalid field value",
)
def test_request_with_invalid_host_is_rejected(server: Server) -> None:
    hosts = ("a b", "evil.test/path", "user@evil.test", "[::1", "a:port", "a?b", "a#b", "a\\b")
    responses = {
        host: server.post(
            server.new_record(Fate.FORBIDDEN), headers={"Host": host, "Origin": f"http://{host}"}
        )
        for host in hosts
    }
    expect_each("400", responses, _is_rejected)
    expect_accepts_record(server)
    server.account()


@case(
    "server/security/2/3",
    Level.SHOULD,
    "The server rejects a request whose length is ambiguous, because a proxy may read another length.",
    expected="400 (or another status from 400 to 499, 501, or the connection closed); 0 stored",
    source="RFC 9112 §6.1, §6.3, §11.2: request smuggling",
)
def test_request_with_ambiguous_length_is_rejected(server: Server) -> None:
    body = encode_batch(server.new_record(Fate.FORBIDDEN))
    length = str(len(body))
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    cases: dict[str, tuple[dict[str, str | list[str] | None], bytes]] = {
        "a length and chunks": ({"Transfer-Encoding": "chunked"}, chunked),
        "two lengths": ({"Content-Length": [length, "5"]}, body),
        "a list of lengths": ({"Content-Length": f"{length}, 5"}, body),
        "a negative length": ({"Content-Length": f"-{length}"}, body),
        "a length with a sign": ({"Content-Length": f"+{length}"}, body),
        "a length in letters": ({"Content-Length": "many"}, body),
        "an unknown Transfer-Encoding": ({"Transfer-Encoding": "xchunked", "Content-Length": None}, chunked),
        "invalid chunks": ({"Transfer-Encoding": "chunked", "Content-Length": None}, b"zz\r\n" + body),
        "a space before the colon": ({"Transfer-Encoding ": "chunked"}, chunked),
    }
    responses = {
        name: server.client.send(server.client.build_head(body=body, headers=headers), sent)
        for name, (headers, sent) in cases.items()
    }
    expect_each("400", responses, _is_rejected)
    expect_accepts_record(server)
    server.account()


@case(
    "server/security/2/4",
    Level.SHOULD,
    "The server rejects data that is not HTTP, and serves the requests that follow.",
    expected="rejected or closed; the next batch is accepted",
    source="RFC 9112 §2.2, §3",
)
def test_data_that_is_not_http_causes_no_failure(server: Server) -> None:
    sent = {
        "TLS": bytes.fromhex("160301020001000100fc0303") + bytes(32),
        "zeros": bytes(1_000) + b"\r\n\r\n",
        "binary": bytes(range(256)) + b"\r\n\r\n",
        "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "HTTP/9.9": server.client.build_head().replace(b"HTTP/1.1", b"HTTP/9.9"),
        "no version": server.client.build_head().replace(b" HTTP/1.1", b" "),
    }
    responses = {name: server.client.send(data + b"\r\n\r\n") for name, data in sent.items()}
    expect_each("rejected", responses, lambda response: _is_rejected(response) or response.status == 505)
    expect_accepts_record(server)
    server.account()


@case(
    "server/security/2/5",
    Level.SHOULD,
    "The server rejects a request for another host: a page's name may resolve to the server's address.",
    expected="a status from 400 to 499 for GET and POST, even from the same origin; 0 stored",
    source="DNS rebinding; MLflow's server: allowed hosts",
)
def test_request_for_another_host_is_rejected(start_server: StartServer) -> None:
    server = start_server()
    port = server.client.port
    responses = {}
    for host in ("evil.test", f"evil.test:{port}", f"127.0.0.1.evil.test:{port}", "10.0.0.1", "[fe80::1]"):
        headers = {"Host": host, "Origin": f"http://{host}"}
        responses[f"GET {host}"] = server.client.request("GET", headers=headers)
        responses[f"POST {host}"] = server.post(server.new_record(Fate.FORBIDDEN), headers=headers)
    expect_each("403", responses, is_client_error)
    for host in (f"localhost:{port}", f"127.0.0.1:{port}", "LOCALHOST"):
        headers = {"Host": host, "Origin": f"http://{host}"}
        response = server.post(server.new_record(), headers=headers)
        if not response.is_success:
            raise FindingError(f"success for {host}, which is this machine", str(response))
    server.account()


def _is_rejected(response: Response) -> bool:
    """Return whether the server rejected the request: 4xx, 501, or a closed connection."""
    return response.status in (CLOSED, 501) or is_client_error(response)
