"""What a server says to requests that are wrong: refused by the client's fault, nothing stored, in one form.

How large a request may be stands in `test_server_limits.py`, who may send it in `test_server_security.py`.
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
ANY_HEADERS = (
    "Expect",
    "Accept",
    "Accept-Encoding",
    "Connection",
    "Cookie",
    "If-None-Match",
    "Range",
    "Upgrade",
)
OTHER_TYPES = (
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=b",
    "application/xml",
    "application/jsonp",
    "application/json-seq",
    "text/json",
    "image/png",
    "application",
)


def answers_to(server: Server, bodies: dict[str, bytes]) -> dict[str, Response]:
    """What the server says to each body."""
    return {name: server.post_body(body) for name, body in bodies.items()}


def is_told_as_json(response: Response) -> bool:
    """Whether an error is told to programs (a code) and to persons (a message)."""
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
    "A body that is not JSON is refused by the client's fault, and nothing of it is stored.",
    expected="a status from 400 to 499 for each, 0 stored",
    source="RFC 8259; data safety: success lets the worker forget, 5xx lets it try for ever",
)
def test_a_body_that_is_not_json_is_refused(server: Server) -> None:
    responses = answers_to(server, build_bodies_not_json(lambda: server.new_record(Fate.DROPPED)))
    expect_each("a status from 400 to 499", responses, is_client_error)
    server.account()


@case(
    "server/errors/1/2",
    Level.MAY,
    "A body that is not JSON is answered with 400 and a code of its own.",
    expected='400 {"error": "body_not_json", "message": …}, the code the same for each',
    source="RFC 9110 §15.5.1",
)
def test_a_body_that_is_not_json_has_a_code(server: Server) -> None:
    responses = answers_to(server, build_bodies_not_json(lambda: server.new_record(Fate.DROPPED)))
    codes = {json.dumps(response.get_member("error")) for response in responses.values()}
    expect_each(
        "400 in JSON", responses, lambda response: response.status == 400 and is_told_as_json(response)
    )
    if len(codes) != 1:
        raise FindingError("one code", ", ".join(sorted(codes)))
    server.account()


@case(
    "server/errors/1/3",
    Level.SHOULD,
    "JSON that holds no list of records is refused by the client's fault, and nothing of it is stored.",
    expected="a status from 400 to 499 for each, 0 stored",
    source='wire protocol, flush: {"records": […]}; data safety: success lets the worker forget',
)
def test_json_without_a_list_of_records_is_refused(server: Server) -> None:
    responses = answers_to(server, build_bodies_without_records(lambda: server.new_record(Fate.DROPPED)))
    expect_each("a status from 400 to 499", responses, is_client_error)
    server.account()


@case(
    "server/errors/1/4",
    Level.MAY,
    "JSON that holds no list of records is answered with 422 and names the field.",
    expected='422 {"error": "records_missing", "message": …, "field": "records"}',
    source="RFC 9110 §15.5.21",
)
def test_json_without_a_list_of_records_names_the_field(server: Server) -> None:
    responses = answers_to(server, build_bodies_without_records(lambda: server.new_record(Fate.DROPPED)))
    expect_each(
        '422 in JSON with "field": "records"',
        responses,
        lambda response: (
            response.status == 422 and is_told_as_json(response) and response.get_member("field") == "records"
        ),
    )
    server.account()


@case(
    "server/errors/1/5",
    Level.SHOULD,
    "What may be read in two ways is read in one or refused: never in both, never by failing.",
    expected="a byte order mark, repeated names: no 5xx; each record stored once at most",
    source="RFC 8259 §4, §8.1",
)
def test_what_may_be_read_in_two_ways_does_no_harm(server: Server) -> None:
    def text(fate: Fate = Fate.OPTIONAL) -> str:
        return json.dumps(server.new_record(fate))

    bodies = {
        "a byte order mark": f'\ufeff{{"records": [{text()}]}}',
        "two lists": f'{{"records": [{text()}], "records": [{text()}]}}',
        "a list and an empty one": f'{{"records": [{text()}], "records": []}}',
        "a list and null": f'{{"records": [{text()}], "records": null}}',
        "a field twice": f'{{"records": [{text()[:-1]}, "session_id": "another"}}]}}',
        "a prototype": f'{{"__proto__": {{"records": [{text(Fate.DROPPED)}]}}, "records": []}}',
    }
    responses = {name: server.post_body(body.encode()) for name, body in bodies.items()}
    expect_each(
        "taken or refused", responses, lambda response: response.status == 200 or is_client_error(response)
    )
    expect_accepts_record(server)
    server.account()


@case(
    "server/errors/1/6",
    Level.SHOULD,
    "Headers of any text are refused by the client's fault, or ignored.",
    expected="no status from 500 on, but 501 and 505, for each header and text",
    source="RFC 9110 §5.5, §10.1.1; 5xx lets a client try for ever",
)
def test_headers_of_any_text_are_no_fault_of_the_server(server: Server) -> None:
    responses = {
        f"{name}: {text!r}": server.client.request(method, headers={name: text})
        for method in ("GET", "HEAD")
        for name in ANY_HEADERS
        for text in ("\xff\xfe", "", "a b", "\xe2\x82\xac", ";;=,", "9" * 1_000)
    }
    expect_each(
        "no failure", responses, lambda response: response.status < 500 or response.status in (501, 505)
    )
    expect_accepts_record(server)
    server.account()


@case(
    "server/errors/2/1",
    Level.SHOULD,
    "A body that says to be of another type than JSON is refused, and nothing of it is stored.",
    expected="a status from 400 to 499 for each, and for none",
    source="RFC 9110 §15.5.16",
)
def test_another_content_type_is_refused(server: Server) -> None:
    responses = {
        content_type or "none": server.post(
            server.new_record(Fate.DROPPED), headers={"Content-Type": content_type}
        )
        for content_type in (*OTHER_TYPES, "", None)
    }
    expect_each("a status from 400 to 499", responses, is_client_error)
    server.account()


@case(
    "server/errors/2/2",
    Level.MAY,
    "Another content type is answered with 415 in JSON.",
    expected='415 {"error": …, "message": …}',
    source="RFC 9110 §15.5.16",
)
def test_another_content_type_is_told_so(server: Server) -> None:
    responses = {
        each: server.post(server.new_record(Fate.DROPPED), headers={"Content-Type": each})
        for each in OTHER_TYPES
    }
    expect_each(
        "415 in JSON", responses, lambda response: response.status == 415 and is_told_as_json(response)
    )
    server.account()


@case(
    "server/errors/2/3",
    Level.MAY,
    "A body that is packed in an unknown way is answered with 415, and with the ways that are known.",
    expected='415 {"error": …, "message": …} with Accept-Encoding',
    source="RFC 9110 §15.5.16, §12.5.3",
)
def test_an_unknown_packing_is_told_so(server: Server) -> None:
    responses = {
        each: server.post(server.new_record(Fate.DROPPED), headers={"Content-Encoding": each})
        for each in ("unheard-of", "br", "zstd", "compress", "gzip, gzip", "gzip;q=1")
    }
    expect_each(
        "415 in JSON with Accept-Encoding",
        responses,
        lambda response: (
            response.status == 415 and is_told_as_json(response) and "Accept-Encoding" in response.headers
        ),
    )
    server.account()


@case(
    "server/errors/3/1",
    Level.SHOULD,
    "No other method than POST stores anything.",
    expected="0 stored, no success, whatever the method, with or without a body",
    source="RFC 9110 §9.2.1: GET and HEAD are safe",
)
def test_no_other_method_stores_anything(server: Server) -> None:
    methods = (*OTHER_METHODS, *UNKNOWN_METHODS, "GET", "HEAD", "OPTIONS")
    responses = {}
    for method in methods:
        body = json.dumps({"records": [server.new_record(Fate.DROPPED)]}).encode()
        override = {"X-HTTP-Method-Override": "POST", "X-HTTP-Method": "POST", "X-Method-Override": "POST"}
        responses[method] = server.client.request(method, body=body)
        responses[f"{method} that asks for POST"] = server.client.request(method, body=body, headers=override)
    expect_each(
        "no success and no failure of the server",
        responses,
        lambda response: not response.is_success and response.status not in (500, 502, 503, 504),
    )
    expect_accepts_record(server)
    server.account()


@case(
    "server/errors/3/2",
    Level.MAY,
    "Another method is answered with 405 and the methods that there are.",
    expected="405 with Allow: GET, POST (and what else there is)",
    source="RFC 9110 §15.5.6",
)
def test_another_method_is_told_which_there_are(server: Server) -> None:
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
    "HEAD is answered as GET is, without the body.",
    expected="200, no body",
    source="RFC 9110 §9.3.2",
)
def test_head_is_answered_as_get_is(server: Server) -> None:
    got, head = server.get_config(), server.client.request("HEAD")
    if (head.status, head.content_type, head.body) != (got.status, got.content_type, b""):
        raise FindingError(f"{got.status} {got.content_type} without a body", f"{head.content_type} {head}")
    server.account()


@case(
    "server/errors/4/1",
    Level.MAY,
    "Every error of the application has one form, with a stable code and a message.",
    expected='JSON {"error": code, "message": text} for 400, 404, 405, 415, 422',
    source="convenience: a program reads the code, a person the message",
)
def test_every_error_has_one_form(server: Server) -> None:
    responses = {
        "not JSON": server.post_body(b"{"),
        "no records": server.post_body(b"{}"),
        "another type": server.post_body(b"{}", {"Content-Type": "text/plain"}),
        "another method": server.client.request("PUT"),
        "another path": server.client.request("GET", f"{server.client.base_path}no-such-path"),
    }
    expect_each(
        "an error in JSON",
        responses,
        lambda response: is_client_error(response) and is_told_as_json(response),
    )
    codes = [response.get_member("error") for response in responses.values()]
    if len(set(codes)) != len(codes):
        raise FindingError("a code for each error", str(codes))
    server.account()
