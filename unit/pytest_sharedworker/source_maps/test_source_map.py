"""Source maps as bundlers write them, and those that nobody should write."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest

from pytest_sharedworker.source_maps.script_maps import Script, ScriptMaps
from pytest_sharedworker.source_maps.source_map import Original, SourceMap, find_source_map_url

URL = "http://app.test/js/bundle.js"


def write_map(mappings: str, **others: object) -> str:
    value = {"version": 3, "sources": ["../src/a.ts", "b.ts"], "names": ["flush"], "mappings": mappings}
    return json.dumps(value | others)


def test_position_comes_from_the_last_segment_before_it() -> None:
    source_map = SourceMap(write_map("AACA,IACEA;ACFF"), URL)
    assert source_map.find(0, 0) == Original("http://app.test/src/a.ts", 1, 0)
    assert source_map.find(0, 3) == Original("http://app.test/src/a.ts", 1, 0)
    assert source_map.find(0, 400) == Original("http://app.test/src/a.ts", 2, 2, "flush")
    assert source_map.find(1, 0) == Original("http://app.test/js/b.ts", 0, 0)


def test_position_of_what_the_bundler_wrote_is_none() -> None:
    source_map = SourceMap(write_map("E,EACA"), URL)
    assert source_map.find(0, 0) is None
    assert source_map.find(0, 2) is None
    assert source_map.find(0, 4) == Original("http://app.test/src/a.ts", 1, 0)
    assert source_map.find(7, 0) is None


def test_segments_that_are_out_of_order_are_sorted() -> None:
    source_map = SourceMap(write_map("KACA,HADA"), URL)
    assert source_map.find(0, 2) == Original("http://app.test/src/a.ts", 0, 0)
    assert [(start, end) for start, end, _ in source_map.list_segments(0)] == [(2, 5), (5, None)]


def test_index_map_places_its_sections() -> None:
    sections = [
        {"offset": {"line": 0, "column": 0}, "map": json.loads(write_map("AAAA"))},
        {"offset": {"line": 0, "column": 50}, "map": json.loads(write_map("ACAA;AAAA"))},
    ]
    source_map = SourceMap(json.dumps({"version": 3, "sections": sections}), URL)
    assert source_map.find(0, 49) == Original("http://app.test/src/a.ts", 0, 0)
    assert source_map.find(0, 50) == Original("http://app.test/js/b.ts", 0, 0)
    assert source_map.find(1, 0) == Original("http://app.test/js/b.ts", 0, 0)


def test_source_root_and_scheme_of_a_bundler_are_kept() -> None:
    source_map = SourceMap(write_map("AAAA", sources=["./src/a.ts"], sourceRoot="webpack://app"), URL)
    assert source_map.find(0, 0) == Original("webpack://app/./src/a.ts", 0, 0)


def test_texts_of_the_sources_are_kept() -> None:
    source_map = SourceMap(write_map("AAAA", sourcesContent=["let a;", None]), URL)
    assert source_map.contents == {"http://app.test/src/a.ts": "let a;"}


def test_line_that_keeps_a_map_from_running_is_skipped() -> None:
    assert SourceMap(")]}'\n" + write_map("AAAA"), URL).find(0, 0) is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<!doctype html>",
        "[]",
        "null",
        write_map("AAAA", version=2),
        write_map("A?AA"),
        write_map("AEAA"),
        write_map("AAAAE"),
        '{"version": 3}',
        '{"version": 3, "sections": [{}]}',
        write_map("AAAA", sources=None),
    ],
)
def test_what_is_no_source_map_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        SourceMap(text, URL)


@pytest.mark.parametrize(
    ("script", "url"),
    [
        ("f();\n//# sourceMappingURL=a.map", "a.map"),
        ("f();//@ sourceMappingURL=a.map  \n", "a.map"),
        ("//# sourceMappingURL=old.map\nf();\n//# sourceMappingURL=new.map\n\n", "new.map"),
        ("f(); // sourceMappingURL=a.map", None),
        ("f('//# sourceMappingURL=a.map');", None),
        ("", None),
    ],
)
def test_last_comment_names_the_map(script: str, url: str | None) -> None:
    assert find_source_map_url(script) == url


def test_map_is_fetched_once_and_only_where_one_is_named() -> None:
    scripts = {URL: Script("f();\n//# sourceMappingURL=b.map?x"), "http://app.test/plain.js": Script("f();")}
    fetched: list[str] = []

    def fetch(url: str) -> bytes:
        fetched.append(url)
        return write_map("AACA").encode()

    maps = ScriptMaps(scripts.get, fetch)
    assert maps.find(URL + "#part", 1, 1) == Original("http://app.test/src/a.ts", 2, 1)
    assert maps.find(URL, 1, 9) == Original("http://app.test/src/a.ts", 2, 1)
    assert maps.find("http://app.test/plain.js", 1, 1) is None
    assert maps.find("http://app.test/unknown.js", 1, 1) is None
    assert fetched == ["http://app.test/js/b.map?x"]


def test_header_goes_before_the_comment() -> None:
    script = Script("f();\n//# sourceMappingURL=comment.map", "header.map")
    maps = ScriptMaps({URL: script}.get, {"http://app.test/js/header.map": write_map("AACA").encode()}.get)
    assert maps.find(URL, 1, 1) is not None


@pytest.mark.parametrize("is_base64", [True, False])
def test_map_can_be_in_the_script(is_base64: bool) -> None:
    text = write_map("AACA")
    plain = "data:application/json," + quote(text)
    encoded = "data:application/json;base64," + base64.b64encode(text.encode()).decode()
    script = Script(f"f();\n//# sourceMappingURL={encoded if is_base64 else plain}")
    assert ScriptMaps({URL: script}.get, lambda url: None).find(URL, 1, 1) is not None


@pytest.mark.parametrize("body", [None, b"", b"not found", b"\xff\xfe", b'{"version": 3}'])
def test_map_that_cannot_be_had_leaves_the_position(body: bytes | None) -> None:
    script = Script("f();\n//# sourceMappingURL=a.map")
    assert ScriptMaps({URL: script}.get, lambda url: body).find(URL, 1, 1) is None


def test_broken_map_in_the_script_leaves_the_position() -> None:
    script = Script("f();\n//# sourceMappingURL=data:application/json;base64,=")
    assert ScriptMaps({URL: script}.get, lambda url: None).find(URL, 1, 1) is None
