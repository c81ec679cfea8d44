"""Access and disclosure: pages of other origins, and what errors, files and responses reveal.

Not covered: ambiguous requests and data that is not HTTP (`test_security_http.py`).
"""

from __future__ import annotations

import json
import re

from e2e.conformance.accounting import Fate
from e2e.conformance.case import FindingError, Level, case
from e2e.server.driver.assertions import expect_each, is_client_error
from e2e.server.driver.http_client import Response
from e2e.server.driver.system import Server, StartServer

EVIL = "http://evil.test"
SIMPLE_TYPES = ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b")
"""Types that a form, or a script without a preflight, can send to any server (Fetch: CORS-safelisted)."""

MARKER = "marker-of-the-request"
MARKUP = f"<script>{MARKER}</script>"
OUTSIDE_FILES = "{dots}/reference_server/errors.py", "{dots}/{dots}/{dots}/{dots}/{dots}/{dots}/etc/passwd"
DOTS = ("..", "%2e%2e", "..%2f..", "%252e%252e", "..%5c..", "....//..")
SECRETS = re.compile(rb"Traceback \(most recent|root:.*:0:0:|class WireError|File \"/")


def build_foreign_origins(server: Server) -> dict[str, str | list[str]]:
    """Return origins that differ from the server's own."""
    host, port = server.client.host_name, server.client.port
    return {
        "another port": f"http://{host}:{port + 1 if port < 65_535 else 1}",
        "no port": f"http://{host}" if port != 80 else f"http://{host}:8080",
        "another scheme": f"https://{host}:{port}",
        "a subdomain": f"http://app.{host}:{port}",
        "a longer host": f"http://{host}.evil.test:{port}",
        "a host that begins with this name": f"http://{host}:{port}.evil.test",
        "this host as a user": f"http://{host}:{port}@evil.test",
        "another host": f"{EVIL}:{port}",
        "hidden": "null",
        "a file": "file://",
        "an extension": "chrome-extension://abcdefghijklmnop",
        "empty": "",
        "not an origin": "evil",
        "broken": "http://[broken",
        "two origins": f"{server.client.origin}, {EVIL}",
        "two lines, its own first": [server.client.origin, EVIL],
        "two lines, its own last": [EVIL, server.client.origin],
    }


@case(
    "server/security/1/1",
    Level.SHOULD,
    "The server rejects a batch from a page of another origin and stores nothing of it.",
    expected="403 (or another status from 400 to 499) for each origin",
    source="Fetch: Origin header; MLflow's server: cross-origin 403",
)
def test_batch_from_another_origin_is_rejected(server: Server) -> None:
    responses = {
        name: server.post(server.new_record(Fate.FORBIDDEN), headers={"Origin": origin})
        for name, origin in build_foreign_origins(server).items()
    }
    expect_each("403", responses, is_client_error)
    server.account()


@case(
    "server/security/1/2",
    Level.MUST,
    "The server accepts a batch from its own page; browsers send the Origin header with every POST.",
    expected='200 {"status": "success"} with its own Origin, and with none',
    source="wire protocol, response; Fetch: Origin header",
)
def test_batch_from_own_page_is_accepted(server: Server) -> None:
    responses = {
        "its own origin": server.post(server.new_record(), headers={"Origin": server.client.origin}),
        "no origin": server.post(server.new_record(), headers={"Origin": None}),
    }
    expect_each('200 {"status": "success"}', responses, lambda response: response.is_success)
    server.account()


@case(
    "server/security/1/3",
    Level.SHOULD,
    "The server allows no other origin by CORS, neither for a preflight nor for another request.",
    expected="no Access-Control-Allow-Origin for it, in responses to OPTIONS, GET and POST",
    source="Fetch: CORS protocol",
)
def test_cors_allows_no_other_origin(server: Server) -> None:
    preflight = {
        "Origin": EVIL,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }
    responses = {
        "OPTIONS": server.client.request("OPTIONS", headers=preflight),
        "GET": server.client.request("GET", headers={"Origin": EVIL}),
        "GET with origin null": server.client.request("GET", headers={"Origin": "null"}),
        "POST": server.post(server.new_record(Fate.FORBIDDEN), headers={"Origin": EVIL}),
    }
    expect_each(
        "no Access-Control-Allow-Origin: * or that origin",
        responses,
        lambda response: response.headers.get("Access-Control-Allow-Origin", "") not in ("*", EVIL, "null"),
    )
    server.account()


@case(
    "server/security/1/4",
    Level.SHOULD,
    "The server rejects what another page's form can send without a preflight, with or without an origin.",
    expected="a status from 400 to 499 for each type, 0 stored",
    source="Fetch: CORS-safelisted Content-Type; cross-site request forgery",
)
def test_post_of_foreign_form_is_rejected(server: Server) -> None:
    responses = {}
    for content_type in SIMPLE_TYPES:
        for origin in (EVIL, None):
            headers = {"Content-Type": content_type, "Origin": origin}
            name = f"{content_type} {'of a foreign page' if origin else 'without an origin'}"
            responses[name] = server.post(server.new_record(Fate.FORBIDDEN), headers=headers)
    expect_each("a status from 400 to 499", responses, is_client_error)
    server.account()


@case(
    "server/security/3/1",
    Level.SHOULD,
    "Error responses reveal nothing of the server's internals.",
    expected="no stack trace, no file path, no source line",
    source="CWE-209",
)
def test_errors_reveal_no_internals(server: Server) -> None:
    path = server.client.base_path
    responses = {
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
        "a broken length": server.client.send(server.client.build_head(headers={"Content-Length": "x"})),
        "a broken cookie": server.client.request("GET", headers={"Cookie": '"; =;=,\x01'}),
    }
    expect_each("no internals", responses, lambda response: not SECRETS.search(response.body))
    server.account()


@case(
    "server/security/3/2",
    Level.SHOULD,
    "The server never echoes text of a request as a page, and TRACE does not echo headers.",
    expected="no text/html that contains the request's markup",
    source="CWE-79; RFC 9110 §9.3.8",
)
def test_request_text_is_never_echoed_as_page(server: Server) -> None:
    quoted = MARKUP.replace("<", "%3C").replace(">", "%3E")
    path = server.client.base_path
    responses = {
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

    def is_harmless(response: Response) -> bool:
        echoed = MARKUP.encode() in response.body
        as_page = response.content_type in ("", "text/html", "application/xhtml+xml", "image/svg+xml")
        return not (echoed and (as_page or response.content_type == "message/http"))

    expect_each("no echo in a page", responses, is_harmless)
    server.account()


@case(
    "server/security/3/3",
    Level.SHOULD,
    "The server serves no file outside the folder of the worker's files.",
    expected="no content of another file, for each spelling of the path",
    source="CWE-22",
)
def test_files_outside_static_folder_are_not_served(server: Server) -> None:
    folder = f"{server.client.base_path}static-files/"
    paths = [folder + path.format(dots=dots) for path in OUTSIDE_FILES for dots in DOTS]
    paths += [f"{folder}/etc/passwd", f"{folder}%2fetc%2fpasswd", f"{folder}telemetry.worker.js%00"]
    responses = {path: server.client.request("GET", path) for path in paths}
    expect_each("no content of a file", responses, lambda response: not SECRETS.search(response.body))
    server.account()


@case(
    "server/security/3/4",
    Level.SHOULD,
    "No response contains stored records.",
    expected="no text of a record in a response to any GET",
    source="privacy: access to the port does not give access to what people did",
)
def test_responses_contain_no_stored_records(server: Server) -> None:
    server.post(server.new_record(installation_id=MARKER, session_id=MARKER, params={"componentId": MARKER}))
    base, endpoint = server.client.base_path, server.client.endpoint_path
    paths = [base, endpoint, f"{base}health", f"{endpoint}?records", f"{endpoint}/records", f"{base}records"]
    responses = {path: server.client.request("GET", path) for path in paths}
    responses["POST"] = server.post(server.new_record(), {"installation_id": 5, "params": json.dumps(MARKER)})
    expect_each("nothing of a record", responses, lambda response: MARKER.encode() not in response.body)
    server.account()


@case(
    "server/security/3/5",
    Level.SHOULD,
    "The response while the store or the configuration fails tells nothing of the server's inside.",
    expected="503 for a locked and for a replaced database, and without a configuration: no path, no SQL",
    source="CWE-209",
)
def test_failures_disclose_no_internals(start_server: StartServer) -> None:
    server = start_server(arguments=["--lock-wait", "0.1"])
    with server.process.lock_store():
        responses = {"locked": server.post(server.new_record(Fate.FORBIDDEN))}
    server.account()
    database = server.process.database
    database.unlink()
    database.mkdir()
    responses["replaced"] = server.post(server.new_record(Fate.FORBIDDEN))
    unknown = start_server(config_text="not JSON")
    responses["no configuration, GET"] = unknown.get_config()
    responses["no configuration, POST"] = unknown.post(unknown.new_record(Fate.FORBIDDEN))
    unknown.account()
    expect_each("503", responses, lambda response: response.status == 503)
    names = [str(database.parent), database.name, "sqlite", "SELECT", "INSERT", "database is locked", ".py"]
    for name, response in responses.items():
        found = [each for each in names if each.lower() in response.body.decode().lower()]
        if found:
            raise FindingError(f"nothing of the inside: {name}", f"{', '.join(found)} in {response}")
