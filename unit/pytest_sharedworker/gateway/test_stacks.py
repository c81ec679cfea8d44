"""Positions in stacks of scripts behind a prologue."""

from __future__ import annotations

import json
from urllib.request import urlopen

import pytest

from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.gateway.stacks import correct_stack
from pytest_sharedworker.integration.event_loop_thread import LoopThread
from pytest_sharedworker.source_maps.script_maps import Script, ScriptMaps

ORIGIN = "http://127.0.0.1:8000"
PREFIXES = {"/w.js": "p" * 100, "/lines.js": "one\ntwo;", "/wide.js": "\U0001f600" * 10}


def find_prefix(url: str) -> str | None:
    return PREFIXES.get(url.removeprefix(ORIGIN).partition("?")[0])


@pytest.mark.parametrize(
    ("frame", "corrected"),
    [
        ("    at f (URL/w.js:1:166)", "    at f (URL/w.js:1:66)"),
        ("    at URL/w.js?v=1:1:101", "    at URL/w.js?v=1:1:1"),
        ("f@URL/w.js:1:166", "f@URL/w.js:1:66"),
        ("    at f (URL/w.js:2:7)", "    at f (URL/w.js:2:7)"),
        ("    at f (URL/lines.js:2:8)", "    at f (URL/lines.js:1:4)"),
        ("    at f (URL/lines.js:3:8)", "    at f (URL/lines.js:2:8)"),
        ("    at f (URL/wide.js:1:21)", "    at f (URL/wide.js:1:1)"),
        ("    at f (URL/other.js:1:166)", "    at f (URL/other.js:1:166)"),
        ("    at f (<anonymous>)", "    at f (<anonymous>)"),
    ],
)
def test_frame_has_the_position_of_the_served_script(frame: str, corrected: str) -> None:
    stack = f"Error: far\n{frame.replace('URL', ORIGIN)}"
    assert correct_stack(stack, find_prefix) == f"Error: far\n{corrected.replace('URL', ORIGIN)}"


@pytest.mark.parametrize(
    "frame",
    [
        "    at Object.fire (URL/w.js:1:100)",
        "fire@URL/w.js:1:7",
        "    at f (URL/lines.js:1:2)",
        "    at f (URL/__pytest_sharedworker__/prologue/1:1:9)",
    ],
)
def test_frames_of_the_plugin_are_left_out(frame: str) -> None:
    stack = f"Error: far\n{frame.replace('URL', ORIGIN)}"
    assert correct_stack(stack, find_prefix) == "Error: far"


def test_frame_of_a_bundle_has_the_position_of_the_source() -> None:
    mapping = {"version": 3, "sources": ["/src/queue.ts"], "names": [], "mappings": "AAAA,kBAIE"}
    script = Script("bundle();\n//# sourceMappingURL=w.js.map")
    maps = ScriptMaps({f"{ORIGIN}/w.js": script}.get, lambda url: json.dumps(mapping).encode())
    stack = f"Error: far\n    at f ({ORIGIN}/w.js:1:125)\n    at {ORIGIN}/other.js:1:2"
    expected = f"Error: far\n    at f ({ORIGIN}/src/queue.ts:5:3)\n    at {ORIGIN}/other.js:1:2"
    assert correct_stack(stack, find_prefix, maps) == expected


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_source_map_is_found_under_every_name_of_the_origin(gateway: Gateway, host: str) -> None:
    mapping = {"version": 3, "sources": ["/src/queue.ts"], "names": [], "mappings": "AAAA,kBAIE"}
    url = gateway.serve("/bundle.js", "bundle();\n//# sourceMappingURL=bundle.js.map")
    gateway.serve("/bundle.js.map", json.dumps(mapping))
    assert urlopen(url).read()
    seen = url.replace("127.0.0.1", host)
    source = seen.replace("/bundle.js", "/src/queue.ts")
    assert (
        gateway._correct_stack(f"Error: far\n    at f ({seen}:1:19)")
        == f"Error: far\n    at f ({source}:5:3)"
    )


def test_stack_is_corrected_in_the_loops_thread_without_a_fetch(
    gateway: Gateway, sharedworker_loop: LoopThread
) -> None:
    url = gateway.serve("/bundle.js", "bundle();\n//# sourceMappingURL=bundle.js.map")
    assert urlopen(url).read()
    stack = f"Error: far\n    at f ({url}:1:5)"

    async def correct() -> str:
        return gateway._correct_stack(stack)

    assert sharedworker_loop.run(correct()) == stack
