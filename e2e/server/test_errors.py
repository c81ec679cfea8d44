"""Invalid requests: the server rejects them with a 4xx status and stores nothing; the errors have one format.

`test_limits.py` covers the size of requests, `test_security.py` who may send them.
"""

from __future__ import annotations

import json

from e2e.conformance.accounting import Fate
from e2e.conformance.case import FindingError, Level, case
from e2e.server.driver.assertions import expect_accepts_record, expect_each, is_client_error
from e2e.server.driver.http_client import Response
from e2e.server.driver.malformed_bodies import build_bodies_not_json, build_bodies_without_records
from e2e.server.driver.system import Server

ALLOWED_METHODS = {"GET", "HEAD", "POST", "OPTIONS"}
OTHER_METHODS = ("PUT", "PATCH", "DELETE")
UNKNOWN_METHODS = ("BREW", "get", "post", "TRACE", "CONNECT")
FUZZED_HEADERS = (
    "Expect",
    "Accept",
    "Accept-Encoding",
    "Connection",
    "Cookie",
    "If-None-Match",
    "Range",
    "Upgrade",
)
OTHER_CONTENT_TYPES = (
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=b",
    "application/xml",
    "application/jsonp",
    "application/json-seq",
    "text/json",
    "image/png",
    "application",
)


def post_each(server: Server, bodies: dict[str, bytes]) -> dict[str, Response]:
    """POST each body and return the responses."""
    return {name: server.post_body(body) for name, body in bodies.items()}


def is_json_error(response: Response) -> bool:
    """Return whether an error has a code for programs and a message for people."""
    code, message = response.get_member("error"), response.get_member("message")
    return (
        response.content_type == "application/json"
        and isinstance(code, str)
        and code.replace("_", "").isalnum()
        and isinstance(message, str)
        and bool(message.strip())
    )


@case(
    "server/errors/1/1",
    Level.SHOULD,
    "The server rejects a body that is not JSON with a 4xx status and stores nothing of it.",
    expected="a status from 400 to 499 for each, 0 stored",
    source="RFC 8259; data safety: on success the worker deletes the batch, on 5xx it retries forever",
)
def test_body_that_is_not_json_is_rejected(server: Server) -> None:
    responses = post_each(server, build_bodies_not_json(lambda: server.new_record(Fate.FORBIDDEN)))
    expect_each("a status from 400 to 499", responses, is_client_error)
    server.account()


@case(
    "server/errors/1/2",
    Level.MAY,
    "The server responds to a body that is not JSON with 400 and an error code for this error alone.",
    expected='400 {"error": "body_not_json", "message": …}, the same code for each',
    source="RFC 9110 §15.5.1",
)
def test_body_that_is_not_json_gets_400_and_one_code(server: Server) -> None:
    responses = post_each(server, build_bodies_not_json(lambda: server.new_record(Fate.FORBIDDEN)))
    codes = {json.dumps(response.get_member("error")) for response in responses.values()}
    expect_each("400 in JSON", responses, lambda response: response.status == 400 and is_json_error(response))
    if len(codes) != 1:
        raise FindingError("one code", ", ".join(sorted(codes)))
    server.account()


@case(
    "server/errors/1/3",
    Level.SHOULD,
    "The server rejects JSON without a list of records with a 4xx status and stores nothing of it.",
    expected="a status from 400 to 499 for each, 0 stored",
    source='wire protocol, flush: {"records": […]}; data safety: on success the worker deletes the batch',
)
def test_json_without_records_is_rejected(server: Server) -> None:
    responses = post_each(server, build_bodies_without_records(lambda: server.new_record(Fate.FORBIDDEN)))
    expect_each("a status from 400 to 499", responses, is_client_error)
    server.account()


@case(
    "server/errors/1/4",
    Level.MAY,
    "The server responds to JSON without a list of records with 422 and names the field.",
    expected='422 {"error": "records_missing", "message": …, "field": "records"}',
    source="RFC 9110 §15.5.21",
)
def test_json_without_records_gets_422_with_field(server: Server) -> None:
    responses = post_each(server, build_bodies_without_records(lambda: server.new_record(Fate.FORBIDDEN)))
    expect_each(
        '422 in JSON with "field": "records"',
        responses,
        lambda response: (
            response.status == 422 and is_json_error(response) and response.get_member("field") == "records"
        ),
    )
    server.account()


@case(
    "server/errors/1/5",
    Level.SHOULD,
    "The server reads ambiguous JSON in one way or rejects it; it stores no record twice and never fails.",
    expected="a byte order mark, repeated names: no 5xx; each record stored at most once",
    source="RFC 8259 §4, §8.1",
)
def test_ambiguous_json_is_read_once_or_rejected(server: Server) -> None:
    def text(fate: Fate = Fate.OPTIONAL) -> str:
        return json.dumps(server.new_record(fate))

    bodies = {
        "a byte order mark": f'\ufeff{{"records": [{text()}]}}',
        "two lists": f'{{"records": [{text()}], "records": [{text()}]}}',
        "a list and an empty list": f'{{"records": [{text()}], "records": []}}',
        "a list and null": f'{{"records": [{text()}], "records": null}}',
        "a field twice": f'{{"records": [{text()[:-1]}, "session_id": "another"}}]}}',
        "a prototype": f'{{"__proto__": {{"records": [{text(Fate.FORBIDDEN)}]}}, "records": []}}',
    }
    responses = {name: server.post_body(body.encode()) for name, body in bodies.items()}
    expect_each(
        "accepted or rejected",
        responses,
        lambda response: response.status == 200 or is_client_error(response),
    )
    expect_accepts_record(server)
    server.account()


@case(
    "server/errors/1/6",
    Level.SHOULD,
    "The server rejects headers with arbitrary text with a 4xx status, or ignores them.",
    expected="no 5xx status except 501 and 505, for each header and text",
    source="RFC 9110 §5.5, §10.1.1; on 5xx a client retries forever",
)
def test_arbitrary_header_text_causes_no_server_error(server: Server) -> None:
    responses = {
        f"{name}: {text!r}": server.client.request(method, headers={name: text})
        for method in ("GET", "HEAD")
        for name in FUZZED_HEADERS
        for text in ("\xff\xfe", "", "a b", "\xe2\x82\xac", ";;=,", "9" * 1_000)
    }
    expect_each(
        "no 5xx status", responses, lambda response: response.status < 500 or response.status in (501, 505)
    )
    expect_accepts_record(server)
    server.account()


@case(
    "server/errors/2/1",
    Level.SHOULD,
    "The server rejects a body with a Content-Type other than JSON and stores nothing of it.",
    expected="a status from 400 to 499 for each type, and for a missing type",
    source="RFC 9110 §15.5.16",
)
def test_other_content_type_is_rejected(server: Server) -> None:
    responses = {
        content_type or "none": server.post(
            server.new_record(Fate.FORBIDDEN), headers={"Content-Type": content_type}
        )
        for content_type in (*OTHER_CONTENT_TYPES, "", None)
    }
    expect_each("a status from 400 to 499", responses, is_client_error)
    server.account()


@case(
    "server/errors/2/2",
    Level.MAY,
    "The server responds to another Content-Type with 415 and a JSON error.",
    expected='415 {"error": …, "message": …}',
    source="RFC 9110 §15.5.16",
)
def test_other_content_type_gets_415(server: Server) -> None:
    responses = {
        each: server.post(server.new_record(Fate.FORBIDDEN), headers={"Content-Type": each})
        for each in OTHER_CONTENT_TYPES
    }
    expect_each("415 in JSON", responses, lambda response: response.status == 415 and is_json_error(response))
    server.account()


@case(
    "server/errors/2/3",
    Level.MAY,
    "The server responds to an unknown Content-Encoding with 415 and lists the encodings it supports.",
    expected='415 {"error": …, "message": …} with Accept-Encoding',
    source="RFC 9110 §15.5.16, §12.5.3",
)
def test_unknown_content_encoding_gets_415(server: Server) -> None:
    responses = {
        each: server.post(server.new_record(Fate.FORBIDDEN), headers={"Content-Encoding": each})
        for each in ("unheard-of", "br", "zstd", "compress", "gzip, gzip", "gzip;q=1")
    }
    expect_each(
        "415 in JSON with Accept-Encoding",
        responses,
        lambda response: (
            response.status == 415 and is_json_error(response) and "Accept-Encoding" in response.headers
        ),
    )
    server.account()


@case(
    "server/errors/3/1",
    Level.SHOULD,
    "The server stores records only for POST.",
    expected="0 stored and no success for any other method, with or without a method override",
    source="RFC 9110 §9.2.1: GET and HEAD are safe",
)
def test_only_post_stores_records(server: Server) -> None:
    methods = (*OTHER_METHODS, *UNKNOWN_METHODS, "GET", "HEAD", "OPTIONS")
    responses = {}
    for method in methods:
        body = json.dumps({"records": [server.new_record(Fate.FORBIDDEN)]}).encode()
        override = {"X-HTTP-Method-Override": "POST", "X-HTTP-Method": "POST", "X-Method-Override": "POST"}
        responses[method] = server.client.request(method, body=body)
        responses[f"{method} with an override to POST"] = server.client.request(
            method, body=body, headers=override
        )
    expect_each(
        "no success and no server error",
        responses,
        lambda response: not response.is_success and response.status not in (500, 502, 503, 504),
    )
    expect_accepts_record(server)
    server.account()


@case(
    "server/errors/3/2",
    Level.MAY,
    "The server responds to an unsupported method with 405 and lists the supported methods.",
    expected="405 with Allow: GET, POST (and other supported methods)",
    source="RFC 9110 §15.5.6",
)
def test_unsupported_method_gets_405_with_allow(server: Server) -> None:
    responses = {method: server.client.request(method) for method in OTHER_METHODS}
    for response in responses.values():
        allowed = set(response.headers.get("Allow", "").replace(" ", "").split(","))
        if response.status != 405 or not {"GET", "POST"} <= allowed <= ALLOWED_METHODS:
            raise FindingError(
                "405 with Allow: GET, POST", f"{response}, Allow: {response.headers.get('Allow')}"
            )
    server.account()


@case(
    "server/errors/3/3",
    Level.MAY,
    "The server responds to HEAD as to GET, without the body.",
    expected="200, no body",
    source="RFC 9110 §9.3.2",
)
def test_head_response_equals_get_without_body(server: Server) -> None:
    got, head = server.get_config(), server.client.request("HEAD")
    if (head.status, head.content_type, head.body) != (got.status, got.content_type, b""):
        raise FindingError(f"{got.status} {got.content_type} without a body", f"{head.content_type} {head}")
    server.account()


@case(
    "server/errors/4/1",
    Level.MAY,
    "Every application error has the same JSON format, with a stable code and a message.",
    expected='JSON {"error": code, "message": text} for 400, 404, 405, 415, 422',
    source="convenience: a program reads the code, a person the message",
)
def test_all_errors_have_the_same_format(server: Server) -> None:
    responses = {
        "not JSON": server.post_body(b"{"),
        "no records": server.post_body(b"[]"),
        "another type": server.post_body(b"{}", {"Content-Type": "text/plain"}),
        "another method": server.client.request("PUT"),
        "another path": server.client.request("GET", f"{server.client.base_path}no-such-path"),
    }
    expect_each(
        "a JSON error",
        responses,
        lambda response: is_client_error(response) and is_json_error(response),
    )
    codes = [response.get_member("error") for response in responses.values()]
    if len(set(codes)) != len(codes):
        raise FindingError("a different code for each error", str(codes))
    server.account()
