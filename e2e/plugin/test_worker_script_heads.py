"""Scripts of any head and content encoding run behind the prologue as they do without it."""

from __future__ import annotations

import base64
import codecs
import gzip
import zlib

import pytest

from e2e.plugin.app import App

SCRIPT = """self.text = "é";
self.isStrict = (function () { return this === undefined; })();
onconnect = () => {};
"""
HEADS = {
    "UTF-8 mark": codecs.BOM_UTF8 + SCRIPT.encode(),
    "hashbang": f"#!/usr/bin/env it's\n{SCRIPT}".encode(),
    "directives": f"'use asm'; // first\n'use strict'\n{SCRIPT}".encode(),
}
ENCODINGS = {
    "gzip": gzip.compress(SCRIPT.encode()),
    "deflate": zlib.compress(SCRIPT.encode()),
    # 'self.text = "é"; onconnect = () => {};'
    "br": base64.b64decode("CxOAc2VsZi50ZXh0ID0gIsOpIjsgb25jb25uZWN0ID0gKCkgPT4ge307Aw=="),
    "zstd": base64.b64decode("KLUv/QRYOQEAc2VsZi50ZXh0ID0gIsOpIjsgb25jb25uZWN0ID0gKCkgPT4ge307yAoT0g=="),
}
PER_CLOCK = pytest.mark.parametrize(
    "is_virtual",
    [
        pytest.param(True, marks=pytest.mark.worker_clock("virtual"), id="virtual"),
        pytest.param(False, marks=pytest.mark.worker_clock("real"), id="real"),
    ],
)


@PER_CLOCK
@pytest.mark.parametrize("kind", ["classic", "module"])
@pytest.mark.parametrize("head", HEADS)
def test_script_of_any_head_runs(app: App, head: str, kind: str, is_virtual: bool) -> None:
    app.gateway.serve("/worker.js", HEADS[head], content_type="text/javascript")
    app.connect(app.open(), type=kind)
    worker = app.workers.wait_for()
    assert worker.evaluate("text") == "é"
    assert worker.evaluate("isStrict") is (head == "directives" or kind == "module")
    assert worker.errors() == []


def test_script_in_utf_16_runs_where_the_browser_reads_it(app: App, browser_name: str) -> None:
    if browser_name == "firefox":
        pytest.skip("Firefox reads worker scripts as UTF-8 only")
    script = codecs.BOM_UTF16_LE + SCRIPT.encode("utf-16-le")
    app.gateway.serve("/worker.js", script, content_type="text/javascript")
    app.connect(app.open())
    assert app.workers.wait_for().evaluate("text") == "é"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_compressed_script_runs(app: App, encoding: str) -> None:
    app.gateway.serve(
        "/worker.js",
        ENCODINGS[encoding],
        content_type="text/javascript",
        headers={"Content-Encoding": encoding},
    )
    app.connect(app.open())
    assert app.workers.wait_for().evaluate("text") == "é"
