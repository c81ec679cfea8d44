"""Who may use a server, and what it gives away: foreign pages, ambiguous requests, its errors and its files.

Which hosts a server answers to is its operator's choice and not judged; that there is one host is.
"""

from __future__ import annotations

import json
import re

from e2e.accounting import Fate
from e2e.case import Level, case
from e2e.server.client import CLOSED, Answer
from e2e.server.system import Server, body_of, expect_all, is_refused

EVIL = "http://evil.test"
SIMPLE_TYPES = ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b")
"""What a form, or a script without asking first, may send to any server (Fetch: CORS-safelisted)."""

MARK = "mark-of-the-request"
MARKUP = f"<script>{MARK}</script>"
BEYOND = "{dots}/reference_server/errors.py", "{dots}/{dots}/{dots}/{dots}/{dots}/{dots}/etc/passwd"
DOTS = ("..", "%2e%2e", "..%2f..", "%252e%252e", "..%5c..", "....//..")
SECRETS = re.compile(rb"Traceback \(most recent|root:.*:0:0:|class WireError|File \"/")


def foreign_origins(server: Server) -> dict[str, str | list[str]]:
    """Origins of pages that are not the server's own."""
    host, port = server.client.host_name, server.client.port
    return {
        "another port": f"http://{host}:{port + 1 if port < 65_535 else 1}",
        "no port": f"http://{host}" if port != 80 else f"http://{host}:8080",
        "another scheme": f"https://{host}:{port}",
        "a subdomain": f"http://app.{host}:{port}",
        "a longer host": f"http://{host}.evil.test:{port}",
        "a host with this name in front": f"http://{host}:{port}.evil.test",
        "this host as a user": f"http://{host}:{port}@evil.test",
        "another host": f"{EVIL}:{port}",
        "hidden": "null",
        "a file": "file://",
        "an extension": "chrome-extension://abcdefghijklmnop",
        "empty": "",
        "not an origin": "evil",
        "broken": "http://[broken",
        "two at once": f"{server.client.origin}, {EVIL}",
        "two lines, its own first": [server.client.origin, EVIL],
        "two lines, its own last": [EVIL, server.client.origin],
    }


@case(
    "server/security/1/1",
    Level.SHOULD,
    "A batch from a page of another origin is refused, and nothing of it is stored.",
    expected="403 (or another status from 400 to 499) for each origin",
    source="Fetch: Origin header; MLflow's server: cross-origin 403",
)
def test_a_batch_of_another_origin_is_refused(server: Server) -> None:
    answers = {
        name: server.post(server.record(Fate.DROPPED), headers={"Origin": origin})
        for name, origin in foreign_origins(server).items()
    }
    expect_all("403", answers, is_refused)
    server.account()


@case(
    "server/security/1/2",
    Level.MUST,
    "A batch from the server's own page is taken: browsers name the origin in every POST.",
    expected='200 {"status": "success"} with its own Origin, and with none',
    source="wire protocol, answer; Fetch: Origin header",
)
def test_a_batch_of_the_own_page_is_taken(server: Server) -> None:
    answers = {
        "its own origin": server.post(server.record(), headers={"Origin": server.client.origin}),
        "no origin": server.post(server.record(), headers={"Origin": None}),
    }
    expect_all('200 {"status": "success"}', answers, lambda answer: answer.succeeded)
    server.account()


@case(
    "server/security/1/3",
    Level.SHOULD,
    "No page of another origin is allowed in: not when its browser asks first, nor in any answer.",
    expected="no Access-Control-Allow-Origin for it, in answer to OPTIONS, GET and POST",
    source="Fetch: CORS protocol",
)
def test_no_other_origin_is_allowed_in(server: Server) -> None:
    asked = {
        "Origin": EVIL,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    answers = {
        "OPTIONS": server.client.request("OPTIONS", headers=asked),
        "GET": server.client.request("GET", headers={"Origin": EVIL}),
        "GET of nowhere": server.client.request("GET", headers={"Origin": "null"}),
        "POST": server.post(server.record(Fate.DROPPED), headers={"Origin": EVIL}),
    }
    expect_all(
        "no Access-Control-Allow-Origin: * or that origin",
        answers,
        lambda answer: answer.headers.get("Access-Control-Allow-Origin", "") not in ("*", EVIL, "null"),
    )
    server.account()


@case(
    "server/security/1/4",
    Level.SHOULD,
    "What a foreign page's form can send without asking first is refused, with an origin or without.",
    expected="a status from 400 to 499 for each type, 0 stored",
    source="Fetch: CORS-safelisted Content-Type; cross-site request forgery",
)
def test_what_a_foreign_form_can_send_is_refused(server: Server) -> None:
    answers = {}
    for content_type in SIMPLE_TYPES:
        for origin in (EVIL, None):
            headers = {"Content-Type": content_type, "Origin": origin}
            name = f"{content_type} {'of a foreign page' if origin else 'without an origin'}"
            answers[name] = server.post(server.record(Fate.DROPPED), headers=headers)
    expect_all("a status from 400 to 499", answers, is_refused)
    server.account()


@case(
    "server/security/2/1",
    Level.SHOULD,
    "A request that names no host, or two, is refused: nobody can say whose origin it is of.",
    expected="400 (or another status from 400 to 499, or the connection closed)",
    source="RFC 9112 §3.2",
)
def test_a_request_without_exactly_one_host_is_refused(server: Server) -> None:
    own = server.client.host
    hosts: dict[str, list[str] | None] = {
        "no host": None,
        "the same twice": [own, own],
        "another behind it": [own, "evil.test"],
        "another in front": ["evil.test", own],
    }
    answers = {}
    for name, host in hosts.items():
        for origin in (server.client.origin, EVIL):
            headers = {"Host": host, "Origin": origin}
            answers[f"{name}, {origin}"] = server.post(server.record(Fate.DROPPED), headers=headers)
    expect_all("400", answers, _is_turned_away)
    server.account()


@case(
    "server/security/2/2",
    Level.MAY,
    "A request whose host is not a host is refused.",
    expected="400 (or another status from 400 to 499, or the connection closed)",
    source="RFC 9112 §3.2: an invalid field value",
)
def test_a_request_whose_host_is_none_is_refused(server: Server) -> None:
    hosts = ("a b", "evil.test/path", "user@evil.test", "[::1", "a:port", "a?b", "a#b", "a\\b")
    answers = {
        host: server.post(server.record(Fate.DROPPED), headers={"Host": host, "Origin": f"http://{host}"})
        for host in hosts
    }
    expect_all("400", answers, _is_turned_away)
    server.account()


@case(
    "server/security/2/3",
    Level.SHOULD,
    "A request whose end can be read in two ways is refused: a proxy may read the other one.",
    expected="400 (or another status from 400 to 499, 501, or the connection closed); 0 stored",
    source="RFC 9112 §6.1, §6.3, §11.2: request smuggling",
)
def test_a_request_whose_end_is_ambiguous_is_refused(server: Server) -> None:
    body = body_of(server.record(Fate.DROPPED))
    length = str(len(body))
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    cases: dict[str, tuple[dict[str, str | list[str] | None], bytes]] = {
        "a length and chunks": ({"Transfer-Encoding": "chunked"}, chunked),
        "two lengths": ({"Content-Length": [length, "5"]}, body),
        "a list of lengths": ({"Content-Length": f"{length}, 5"}, body),
        "a negative length": ({"Content-Length": f"-{length}"}, body),
        "a length with a sign": ({"Content-Length": f"+{length}"}, body),
        "a length in letters": ({"Content-Length": "many"}, body),
        "an unknown coding": ({"Transfer-Encoding": "xchunked", "Content-Length": None}, chunked),
        "chunks that are none": ({"Transfer-Encoding": "chunked", "Content-Length": None}, b"zz\r\n" + body),
        "a space before the colon": ({"Transfer-Encoding ": "chunked"}, chunked),
    }
    answers = {
        name: server.client.send(server.client.head(body=body, headers=headers), sent)
        for name, (headers, sent) in cases.items()
    }
    expect_all("400", answers, _is_turned_away)
    server.still_works()
    server.account()


@case(
    "server/security/2/4",
    Level.SHOULD,
    "What is not HTTP does no harm to the requests that follow.",
    expected="refused or closed; the next batch is taken",
    source="RFC 9112 §2.2, §3",
)
def test_what_is_not_http_does_no_harm(server: Server) -> None:
    sent = {
        "TLS": bytes.fromhex("160301020001000100fc0303") + bytes(32),
        "zeros": bytes(1_000) + b"\r\n\r\n",
        "binary": bytes(range(256)) + b"\r\n\r\n",
        "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "HTTP/9.9": server.client.head().replace(b"HTTP/1.1", b"HTTP/9.9"),
        "no version": server.client.head().replace(b" HTTP/1.1", b" "),
    }
    answers = {name: server.client.send(data + b"\r\n\r\n") for name, data in sent.items()}
    expect_all("refused", answers, lambda answer: _is_turned_away(answer) or answer.status == 505)
    server.still_works()
    server.account()


@case(
    "server/security/3/1",
    Level.SHOULD,
    "An answer to a wrong request shows nothing of the server's inside.",
    expected="no stack trace, no path of a file, no line of the source",
    source="CWE-209",
)
def test_errors_show_nothing_of_the_inside(server: Server) -> None:
    path = server.client.base_path
    answers = {
        "not JSON": server.post_body(b"{"),
        "not UTF-8": server.post_body(b"\xff"),
        "deep": server.post_body(b'{"records":' + b"[" * 100_000),
        "no records": server.post_body(b'{"records": 5}'),
        "bad records": server.post(None, 5, "record", {"timestamp_ns": 10**400}),
        "half a surrogate pair": server.post_body(b'{"records": ["\\ud83d"]}'),
        "not gzip": server.post_body(b"{}", {"Content-Encoding": "gzip"}),
        "an unknown charset": server.post_body(b"{}", {"Content-Type": "application/json; charset=none"}),
        "a broken path": server.client.request("GET", f"{path}%zz%ff%00"),
        "a broken query": server.client.request("GET", f"{server.client.endpoint_path}?%zz=%ff&[]"),
        "a broken length": server.client.send(server.client.head(headers={"Content-Length": "x"})),
        "a broken cookie": server.client.request("GET", headers={"Cookie": '"; =;=,\x01'}),
    }
    expect_all("nothing of the inside", answers, lambda answer: not SECRETS.search(answer.body))
    server.account()


@case(
    "server/security/3/2",
    Level.SHOULD,
    "Text of a request never comes back as a page, and TRACE does not bring back its headers.",
    expected="no text/html with the request's markup in it",
    source="CWE-79; RFC 9110 §9.3.8",
)
def test_text_of_a_request_never_comes_back_as_a_page(server: Server) -> None:
    quoted = MARKUP.replace("<", "%3C").replace(">", "%3E")
    path = server.client.base_path
    answers = {
        "path": server.client.request("GET", f"{path}{quoted}"),
        "raw path": server.client.request("GET", f"{path}{MARKUP}"),
        "file": server.client.request("GET", f"{path}static-files/{quoted}"),
        "query": server.client.request("GET", f"{path}?q={quoted}"),
        "query of the endpoint": server.client.request("GET", f"{server.client.endpoint_path}?q={quoted}"),
        "header": server.client.request("GET", headers={"Referer": MARKUP, "User-Agent": MARKUP}),
        "type": server.post_body(b"{}", {"Content-Type": MARKUP}),
        "origin": server.post_body(b"{}", {"Origin": MARKUP}),
        "body": server.post_body(MARKUP.encode()),
        "record": server.post({MARKUP: MARKUP}),
        "TRACE": server.client.request("TRACE", headers={"X-Markup": MARKUP}),
    }

    def harmless(answer: Answer) -> bool:
        echoed = MARKUP.encode() in answer.body
        as_page = answer.content_type in ("", "text/html", "application/xhtml+xml", "image/svg+xml")
        return not (echoed and (as_page or answer.content_type == "message/http"))

    expect_all("no echo in a page", answers, harmless)
    server.account()


@case(
    "server/security/3/3",
    Level.SHOULD,
    "No path leads out of the folder of the worker's files.",
    expected="no content of a file beside or above it, however the path is written",
    source="CWE-22",
)
def test_no_path_leads_out_of_the_folder(server: Server) -> None:
    folder = f"{server.client.base_path}static-files/"
    paths = [folder + path.format(dots=dots) for path in BEYOND for dots in DOTS]
    paths += [f"{folder}/etc/passwd", f"{folder}%2fetc%2fpasswd", f"{folder}telemetry.worker.js%00"]
    answers = {path: server.client.request("GET", path) for path in paths}
    expect_all("no content of a file", answers, lambda answer: not SECRETS.search(answer.body))
    server.account()


@case(
    "server/security/3/4",
    Level.SHOULD,
    "No answer tells what was stored: records come in and never go out again.",
    expected="no text of a record in an answer to any GET",
    source="privacy: what persons did is nobody's who can reach the port",
)
def test_no_answer_tells_what_was_stored(server: Server) -> None:
    server.post(server.record(installation_id=MARK, session_id=MARK, params={"componentId": MARK}))
    base, endpoint = server.client.base_path, server.client.endpoint_path
    paths = [base, endpoint, f"{base}health", f"{endpoint}?records", f"{endpoint}/records", f"{base}records"]
    answers = {path: server.client.request("GET", path) for path in paths}
    answers["POST"] = server.post(server.record(), {"installation_id": 5, "params": json.dumps(MARK)})
    expect_all("nothing of a record", answers, lambda answer: MARK.encode() not in answer.body)
    server.account()


def _is_turned_away(answer: Answer) -> bool:
    """Refused in any way that HTTP has: nobody was served."""
    return answer.status in (CLOSED, 501) or is_refused(answer)
