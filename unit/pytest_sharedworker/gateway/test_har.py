"""The journal as HAR 1.2: valid by the specification, and true to what passed the gateway.

That a browser reads it is tested in e2e/plugin.
"""

from __future__ import annotations

import base64
import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from pytest_sharedworker.control.server import ControlServer
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.gateway.har import make_har
from pytest_sharedworker.gateway.toxics import DropResponse, Latency, ResetPeer, Slicer, Toxic
from unit.support.announcing_worker import AnnouncingWorker
from unit.support.har_rules import list_violations
from unit.support.servers import Upstream, send

BINARY = bytes(range(256))


def get_only_entry(gateway: Gateway) -> dict[str, Any]:
    (entry,) = get_valid_log(gateway)["entries"]
    return entry  # type: ignore[no-any-return]


def get_valid_log(gateway: Gateway) -> dict[str, Any]:
    """Return the log as it comes out of JSON, after a check of all rules."""
    gateway.journal.wait_for()
    document = json.loads(json.dumps(make_har(gateway.journal)))
    assert list_violations(document) == []
    return document["log"]  # type: ignore[no-any-return]


def test_empty_journal_is_a_valid_archive(gateway: Gateway) -> None:
    assert list_violations(make_har(gateway.journal)) == []


def test_request_has_query_headers_cookies_and_body(gateway: Gateway) -> None:
    send(
        gateway,
        "POST /api/items?page=2&empty=&page=3 HTTP/1.1",
        "Content-Type: application/json",
        "Cookie: a=1; b=2",
        body=b'{"name": "\xc3\xbc"}',
    )
    request = get_only_entry(gateway)["request"]
    assert (request["method"], request["httpVersion"]) == ("POST", "HTTP/1.1")
    assert request["url"] == f"{gateway.url}/api/items?page=2&empty=&page=3"
    assert [(each["name"], each["value"]) for each in request["queryString"]] == [
        ("page", "2"),
        ("empty", ""),
        ("page", "3"),
    ]
    assert [(each["name"], each["value"]) for each in request["cookies"]] == [("a", "1"), ("b", "2")]
    assert {"name": "Content-Type", "value": "application/json"} in request["headers"]
    assert request["postData"] == {"mimeType": "application/json", "text": '{"name": "ü"}'}
    assert request["bodySize"] == 14


def test_response_has_status_headers_cookies_and_text(gateway: Gateway, upstream: Upstream) -> None:
    def respond(request: web.Request) -> web.Response:
        response = web.json_response({"a": 1}, status=201)
        response.set_cookie("seen", "yes", httponly=True, path="/api")
        return response

    upstream.respond = respond
    send(gateway)
    response = get_only_entry(gateway)["response"]
    assert (response["status"], response["statusText"], response["redirectURL"]) == (201, "Created", "")
    assert response["content"] == {
        "size": 8,
        "mimeType": "application/json; charset=utf-8",
        "text": '{"a": 1}',
    }
    assert response["cookies"] == [{"name": "seen", "value": "yes", "path": "/api", "httpOnly": True}]
    assert response["bodySize"] == 8


def test_binary_bodies_are_base64(gateway: Gateway, upstream: Upstream) -> None:
    upstream.respond = lambda request: web.Response(body=BINARY)
    send(gateway, "POST / HTTP/1.1", body=BINARY)
    entry = get_only_entry(gateway)
    content, post = entry["response"]["content"], entry["request"]["postData"]
    assert (base64.b64decode(content["text"]), content["encoding"]) == (BINARY, "base64")
    assert (base64.b64decode(post["text"]), post["_encoding"]) == (BINARY, "base64")


def test_compressed_response_is_shown_decoded(gateway: Gateway, upstream: Upstream) -> None:
    packed = gzip.compress(b"words " * 100)
    upstream.respond = lambda request: web.Response(body=packed, headers={"Content-Encoding": "gzip"})
    send(gateway)
    response = get_only_entry(gateway)["response"]
    assert response["content"]["text"] == "words " * 100
    assert (response["content"]["size"], response["bodySize"]) == (600, len(packed))
    assert response["content"]["compression"] == 600 - len(packed)


def test_redirect_has_its_target(gateway: Gateway, upstream: Upstream) -> None:
    upstream.respond = lambda request: web.Response(status=302, headers={"Location": "/elsewhere"})
    send(gateway)
    assert get_only_entry(gateway)["response"]["redirectURL"] == "/elsewhere"


@pytest.mark.parametrize("toxic", [ResetPeer(), DropResponse()])
def test_cut_connection_has_status_0_and_an_error(gateway: Gateway, toxic: Toxic) -> None:
    gateway.add_toxic(toxic)
    send(gateway)
    entry = get_only_entry(gateway)
    assert entry["response"]["status"] == 0
    assert entry["response"]["_error"] == "connection reset by the gateway"
    assert entry["_toxics"] == [str(toxic)]
    assert entry.get("_upstreamStatus") == (200 if toxic == DropResponse() else None)


def test_pending_exchange_is_marked(gateway: Gateway) -> None:
    with ThreadPoolExecutor(1) as threads, gateway.route("**", lambda route: None) as rule:
        reply = threads.submit(send, gateway)
        (route,) = rule.wait_for()
        document = make_har(gateway.journal)
        assert list_violations(document) == []
        assert document["log"]["entries"][0]["response"]["_error"] == "under way"
        route.continue_()
        assert reply.result().status == 200


def test_every_sender_has_a_page(gateway: Gateway, sharedworker_control: ControlServer) -> None:
    send(gateway, "GET /page HTTP/1.1", "Sec-Fetch-Mode: navigate")
    with AnnouncingWorker(sharedworker_control, gateway) as one:
        with AnnouncingWorker(sharedworker_control, gateway) as two:
            for worker, number, virtual_time in ((one, 1, 1500.0), (two, 1, 0.0), (one, 2, 2500.0)):
                worker.announce("/api", number=number, virtual_time=virtual_time)
                send(gateway, "GET /api HTTP/1.1")
    log = get_valid_log(gateway)
    pages = ["tab", f"worker {one.id}", f"worker {two.id}"]
    assert [page["id"] for page in log["pages"]] == pages
    assert [entry["pageref"] for entry in log["entries"]] == [*pages, pages[1]]
    assert [entry.get("_virtualTime") for entry in log["entries"]] == [None, 1500, 0, 2500]
    assert [entry["_sender"] for entry in log["entries"]] == ["tab", "worker", "worker", "worker"]


def test_time_until_the_response_counts_as_waiting(gateway: Gateway) -> None:
    gateway.add_toxic(Latency(latency=80))
    send(gateway)
    entry = get_only_entry(gateway)
    assert entry["timings"]["wait"] >= 80
    assert entry["time"] >= entry["timings"]["wait"]


def test_time_between_slices_counts_as_receiving(gateway: Gateway) -> None:
    gateway.add_toxic(Slicer(average_size=1, delay=20))
    send(gateway)
    assert get_only_entry(gateway)["timings"]["receive"] >= 60


def test_archive_is_saved_to_a_new_folder(gateway: Gateway, tmp_path: Path) -> None:
    send(gateway)
    path = gateway.save_har(tmp_path / "new" / "folder" / "journal.har")
    assert path == tmp_path / "new" / "folder" / "journal.har"
    document = json.loads(path.read_text(encoding="utf-8"))
    assert list_violations(document) == []
    assert document["log"]["entries"][0]["request"]["url"] == f"{gateway.url}/"


@pytest.mark.parametrize(
    ("path", "value", "rule"),
    [
        (("log", "version"), "1.1", "log.version is not 1.2"),
        (("log", "entries", 0, "time"), 1e6, "entry.time is not the sum of its timings"),
        (("log", "entries", 0, "pageref"), "unlisted", "no page 'unlisted'"),
        (("log", "entries", 0, "startedDateTime"), "today", "'today' is no ISO 8601 date with ms"),
        (("log", "entries", 0, "request", "encoding"), "base64", "request.encoding is unknown"),
        (("log", "entries", 0, "response", "status"), "200", "response.status has the wrong type"),
    ],
)
def test_rules_find_an_invalid_archive(
    gateway: Gateway, path: tuple[str | int, ...], value: object, rule: str
) -> None:
    send(gateway)
    gateway.journal.wait_for()
    document: Any = make_har(gateway.journal)
    place: Any = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert [violation for violation in list_violations(document) if violation.startswith(rule)]
