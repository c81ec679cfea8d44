"""Scripts of any head and content encoding run behind the prologue as they do without it."""

from __future__ import annotations

import base64
import codecs
import gzip
import zlib
from itertools import product

import pytest

from e2e.plugin.app import PER_CLOCK, App

SCRIPT = """self.text = "é";
self.isStrict = (function () { return this === undefined; })();
onconnect = () => {};
"""
HEADS = {
    "UTF-8 mark": codecs.BOM_UTF8 + SCRIPT.encode(),
    "hashbang": f"#!/usr/bin/env it's\n{SCRIPT}".encode(),
    "directives": f"'use asm'; // first\n'use strict'\n{SCRIPT}".encode(),
    "directives of other lines": f"// first\r'use asm'\u2028\u00a0'use strict'\r{SCRIPT}".encode(),
    "nested templates": f"`${{ `\nimport a from 'b';\n` }}`;\n{SCRIPT}".encode(),
}
ENCODINGS = {
    "gzip": gzip.compress(SCRIPT.encode()),
    "deflate": zlib.compress(SCRIPT.encode()),
    # 'self.text = "é"; onconnect = () => {};'
    "br": base64.b64decode("CxOAc2VsZi50ZXh0ID0gIsOpIjsgb25jb25uZWN0ID0gKCkgPT4ge307Aw=="),
    "zstd": base64.b64decode("KLUv/QRYOQEAc2VsZi50ZXh0ID0gIsOpIjsgb25jb25uZWN0ID0gKCkgPT4ge307yAoT0g=="),
}


@PER_CLOCK
def test_script_of_any_head_runs(app: App, is_virtual: bool) -> None:
    page = app.open()
    for kind, (title, head) in product(("classic", "module"), HEADS.items()):
        path = f"/{kind}-{title.replace(' ', '-')}.js"
        app.gateway.serve(path, head, content_type="text/javascript")
        app.connect(page, path, type=kind)
        worker = app.workers.wait_for(path)
        assert worker.evaluate("text") == "é", path
        assert worker.evaluate("isStrict") is (title.startswith("directives") or kind == "module"), path
        assert worker.errors() == [], path


def test_script_in_utf_16_runs_where_the_browser_reads_it(app: App, browser_name: str) -> None:
    if browser_name == "firefox":
        pytest.skip("Firefox reads worker scripts as UTF-8 only")
    script = codecs.BOM_UTF16_LE + SCRIPT.encode("utf-16-le")
    app.gateway.serve("/worker.js", script, content_type="text/javascript")
    app.connect(app.open())
    assert app.workers.wait_for().evaluate("text") == "é"


def test_compressed_script_runs(app: App, browser_name: str) -> None:
    page = app.open()
    for encoding, script in ENCODINGS.items():
        if browser_name == "webkit" and encoding == "zstd":
            continue  # WebKitGTK does not decode it.
        path = f"/{encoding}.js"
        headers = {"Content-Encoding": encoding}
        app.gateway.serve(path, script, content_type="text/javascript", headers=headers)
        app.connect(page, path)
        assert app.workers.wait_for(path).evaluate("text") == "é", encoding
