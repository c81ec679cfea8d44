"""Worker scripts behind the gateway: which they are, and what is put in front of them."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Callable

import pytest
from aiohttp import web

from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.gateway.worker_support import NoWorkers
from pytest_sharedworker.injected.prologue import import_module, make_module
from unit.support.servers import Upstream, send
from unit.support.worker_scripts import WORKER_HEADERS, Prologue


class Gate(NoWorkers):
    """Notes the scripts that wait at the gate."""

    has_gate = True

    def __init__(self) -> None:
        self.paths: list[str] = []

    async def wait_at_gate(self, path: str) -> None:
        """Note the path."""
        self.paths.append(path)


def get_script(gateway: Gateway, script: str, *headers: str) -> tuple[str, list[str]]:
    """Serve a worker's script with a prologue `P;`; return its text and policies."""
    gateway._attach(Prologue())
    gateway.serve("/w.js", script)
    reply = send(gateway, "GET /w.js HTTP/1.1", *(headers or WORKER_HEADERS))
    return reply.body.decode(), reply.header("Content-Security-Policy")


def test_prologue_is_on_the_first_line_of_the_script(gateway: Gateway) -> None:
    assert get_script(gateway, "a();\nb();")[0] == "P; a();\nb();"


def test_strict_script_stays_strict(gateway: Gateway) -> None:
    assert get_script(gateway, "'use strict';\na();")[0] == "\"use strict\"; P; 'use strict';\na();"


BOM = codecs.BOM_UTF8
LITTLE, BIG = "utf-16-le", "utf-16-be"
JS = "text/javascript"


@pytest.mark.parametrize(
    ("script", "content_type", "expected"),
    [
        (BOM + b"a();", JS, BOM + b"P; a();"),
        (BOM + b"'use strict';", JS, BOM + b"\"use strict\"; P; 'use strict';"),
        (b"\xff\xfe" + "ä()".encode(LITTLE), JS, b"\xff\xfe" + "P; ä()".encode(LITTLE)),
        (b"\xfe\xff" + "ä()".encode(BIG), JS, b"\xfe\xff" + "P; ä()".encode(BIG)),
        ("a()".encode(LITTLE), "text/javascript; charset=UTF-16", "P; a()".encode(LITTLE)),
        ("ä()".encode("latin-1"), "text/javascript; charset=latin1", b"P; \xe4()"),
        (b"#!/usr/bin/env it's\na();", JS, b"P; ///usr/bin/env it's\na();"),
        (BOM + b"#!x\n'use strict'", JS, BOM + b"\"use strict\"; P; //x\n'use strict'"),
    ],
)
def test_head_of_a_script_keeps_its_meaning(
    gateway: Gateway, script: bytes, content_type: str, expected: bytes
) -> None:
    gateway._attach(Prologue())
    gateway.serve("/w.js", script, content_type=content_type)
    assert send(gateway, "GET /w.js HTTP/1.1", *WORKER_HEADERS).body == expected


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [
        ("gzip", gzip.compress),
        ("GZIP", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", lambda script: zlib.compress(script)[2:-4]),
        ("gzip, deflate", lambda script: zlib.compress(gzip.compress(script))),
        ("identity", bytes),
    ],
)
def test_script_is_decoded_before_the_prologue_is_added(
    gateway: Gateway, upstream: Upstream, encoding: str, encode: Callable[[bytes], bytes]
) -> None:
    gateway._attach(Prologue())
    body = encode(b"'use strict'; a();")
    upstream.respond = lambda _: web.Response(body=body, headers={"Content-Encoding": encoding})
    reply = send(gateway, "GET /w.js HTTP/1.1", *WORKER_HEADERS)
    assert reply.body == b"\"use strict\"; P; 'use strict'; a();"
    assert reply.header("Content-Encoding") == []


def test_script_of_an_unknown_encoding_is_left_to_the_browser(gateway: Gateway, upstream: Upstream) -> None:
    gateway._attach(Prologue())
    headers = {"Content-Encoding": "x-unknown", "Content-Type": "text/javascript"}
    upstream.respond = lambda _: web.Response(body=b"packed", headers=headers)
    reply = send(gateway, "GET /w.js HTTP/1.1", *WORKER_HEADERS)
    assert reply.body.startswith(b"P; ")
    assert reply.header("Content-Encoding") == []
    path = reply.body.partition(b'importScripts("')[2].partition(b'"')[0].decode()
    packed = send(gateway, f"GET {path} HTTP/1.1")
    assert (packed.body, packed.header("Content-Encoding")) == (b"packed", ["x-unknown"])


def test_scripts_of_one_text_keep_their_encodings(gateway: Gateway, upstream: Upstream) -> None:
    gateway._attach(Prologue())
    headers = {"Content-Type": "text/javascript"}
    upstream.respond = lambda _: web.Response(body=b"packed", headers=headers)
    for encoding in ("x-unknown", "gzip"):
        headers["Content-Encoding"] = encoding
        reply = send(gateway, "GET /w.js HTTP/1.1", *WORKER_HEADERS)
        path = reply.body.partition(b'importScripts("')[2].partition(b'"')[0].decode()
        assert send(gateway, f"GET {path} HTTP/1.1").header("Content-Encoding") == [encoding]


def test_module_imports_the_prologue_before_its_own_imports(gateway: Gateway) -> None:
    text, _ = get_script(gateway, 'import "./a.js";')
    path = text.partition('"')[2].partition('"')[0]
    assert text == f'{import_module(path)}import "./a.js";'
    reply = send(gateway, f"GET {path} HTTP/1.1")
    assert (reply.status, reply.body) == (200, make_module("P;").encode())
    assert gateway.journal.select("**prologue**") == []


@pytest.mark.parametrize(
    "headers",
    [
        ("Sec-Fetch-Dest: script", "Sec-Fetch-Mode: no-cors"),
        ("Sec-Fetch-Dest: worker", "Sec-Fetch-Mode: same-origin"),
        ("Sec-Fetch-Dest: sharedworker", "Sec-Fetch-Mode: cors"),
        ("Accept: */*",),
    ],
)
def test_other_requests_get_no_prologue(gateway: Gateway, headers: tuple[str, ...]) -> None:
    assert get_script(gateway, "a();", *headers)[0] == "a();"


def test_pattern_recognizes_scripts_without_fetch_metadata(gateway: Gateway) -> None:
    gateway.add_worker_script("**/w.js")
    assert get_script(gateway, "a();", "Accept: */*")[0] == "P; a();"


def test_script_with_a_prologue_is_not_cached(gateway: Gateway, upstream: Upstream) -> None:
    gateway._attach(Prologue())
    headers = {"ETag": '"1"', "Last-Modified": "x", "Cache-Control": "max-age=3600"}
    upstream.respond = lambda _: web.Response(text="a();", headers=headers)
    reply = send(gateway, "GET /w.js HTTP/1.1", *WORKER_HEADERS, "Accept-Encoding: gzip")
    assert reply.body == b"P; a();"
    assert reply.header("Cache-Control") == ["no-store"]
    assert reply.header("ETag") == reply.header("Last-Modified") == []
    assert upstream.received[0].header("Accept-Encoding") == ["identity"]


def test_script_waits_at_the_gate_and_is_not_cached(gateway: Gateway, upstream: Upstream) -> None:
    gate = Gate()
    gateway._attach(gate)
    upstream.respond = lambda _: web.Response(text="a();", headers={"ETag": '"1"'})
    reply = send(gateway, "GET /w.js?v=1 HTTP/1.1", *WORKER_HEADERS)
    send(gateway, "GET /page.html HTTP/1.1")
    assert (reply.body, reply.header("ETag"), gate.paths) == (b"a();", [], ["/w.js?v=1"])
    assert reply.header("Cache-Control") == ["no-store"]


def test_script_without_prologue_and_gate_stays_unchanged(gateway: Gateway, upstream: Upstream) -> None:
    upstream.respond = lambda _: web.Response(text="a();", headers={"ETag": '"1"'})
    reply = send(gateway, "GET /w.js HTTP/1.1", *WORKER_HEADERS)
    assert (reply.body, reply.header("ETag")) == (b"a();", ['"1"'])
    assert gateway._worker_script_urls == [f"{gateway.url}/w.js"]
