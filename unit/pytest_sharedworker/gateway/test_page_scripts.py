"""Scripts that the gateway puts into documents, for browsers without init scripts."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from collections.abc import Sequence

import pytest
from aiohttp import web

from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.gateway.worker_support import NoWorkers
from unit.support.servers import Upstream, send

SCRIPT = "document.currentScript.remove(); (() => { first();\n})();"
ELEMENT = f"<script>{SCRIPT}</script>"
HASH = f"'sha256-{base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()}'"
DOCUMENT = "Sec-Fetch-Dest: document"


class PageScripts(NoWorkers):
    """Has documents run scripts."""

    def __init__(self, *scripts: str) -> None:
        self._scripts = scripts

    def page_scripts(self) -> Sequence[str]:
        """Return the scripts."""
        return self._scripts


def make_page(text: str | bytes, **headers: str) -> web.Response:
    body = text if isinstance(text, bytes) else text.encode()
    return web.Response(body=body, headers={"Content-Type": "text/html", **headers})


@pytest.mark.parametrize(
    ("html", "changed"),
    [
        ("", "{script}"),
        ("text", "{script}text"),
        ("<!doctype html><p>", "<!doctype html>{script}<p>"),
        ("\n<!DOCTYPE HTML PUBLIC '-//W3C'>\n<HTML lang=de><script>", None),
        ("<!-- a > b -->\n<!doctype html><html data-a='>'><head id=\">\"><base>", None),
        ("<!doctype html><header>", "<!doctype html>{script}<header>"),
        ("\ufeff<!doctype html><meta>", "\ufeff<!doctype html>{script}<meta>"),
    ],
)
def test_script_stands_before_the_first_element(
    gateway: Gateway, upstream: Upstream, html: str, changed: str | None
) -> None:
    gateway._attach(PageScripts("first();"))
    upstream.respond = lambda _: make_page(html)
    # Where no text is given: in front of the last element.
    expected = changed if changed is not None else re.sub(r"(<\w+>)$", r"{script}\1", html)
    assert send(gateway, "GET / HTTP/1.1", DOCUMENT).body.decode() == expected.replace("{script}", ELEMENT)


def test_other_responses_stay(gateway: Gateway, upstream: Upstream) -> None:
    gateway._attach(PageScripts("first();"))
    upstream.respond = lambda _: make_page("<p>")
    assert send(gateway, "GET / HTTP/1.1", "Sec-Fetch-Dest: empty").body == b"<p>"
    assert send(gateway, "GET / HTTP/1.1", "Accept: */*").body == b"<p>"
    assert send(gateway, "GET / HTTP/1.1", "Accept: text/html,*/*").body == f"{ELEMENT}<p>".encode()
    upstream.respond = lambda _: web.Response(body=b"<p>", headers={"Content-Type": "text/plain"})
    assert send(gateway, "GET / HTTP/1.1", DOCUMENT).body == b"<p>"


def test_encoded_document_is_decoded(gateway: Gateway, upstream: Upstream) -> None:
    gateway._attach(PageScripts("first();"))
    upstream.respond = lambda _: make_page(gzip.compress(b"<p>"), **{"Content-Encoding": "gzip"})
    reply = send(gateway, "GET / HTTP/1.1", DOCUMENT, "Accept-Encoding: gzip")
    assert reply.body == f"{ELEMENT}<p>".encode()
    assert reply.header("Content-Encoding") == []


def test_script_cannot_end_its_element(gateway: Gateway, upstream: Upstream) -> None:
    gateway._attach(PageScripts("show('</SCRIPT><!--<script>');", "first();"))
    upstream.respond = lambda _: make_page("<p>")
    body = send(gateway, "GET / HTTP/1.1", DOCUMENT).body.decode()
    assert "show('\\x3C/SCRIPT>\\x3C!--\\x3Cscript>');" in body
    assert body.endswith(f"{ELEMENT}<p>")


@pytest.mark.parametrize(
    ("policy", "changed"),
    [
        ("img-src 'self'", None),
        ("script-src 'self' 'unsafe-inline'", None),
        ("script-src 'self'", "script-src 'self' {hash}"),
        ("script-src 'none'", "script-src {hash}"),
        ("script-src 'nonce-a' 'unsafe-inline'", "script-src 'nonce-a' 'unsafe-inline' {hash}"),
        ("default-src 'self'", "default-src 'self'; script-src-elem 'self' {hash}"),
        ("script-src 'self'; script-src-elem 'none'", "script-src 'self'; script-src-elem {hash}"),
    ],
)
def test_policy_allows_the_script(
    gateway: Gateway, upstream: Upstream, policy: str, changed: str | None
) -> None:
    gateway._attach(PageScripts("first();"))
    upstream.respond = lambda _: make_page("<p>", **{"Content-Security-Policy": policy})
    reply = send(gateway, "GET / HTTP/1.1", DOCUMENT)
    assert reply.header("Content-Security-Policy") == [(changed or policy).format(hash=HASH)]
