"""Which pages of a checkout run tests in a SharedWorker. Not covered: the pages themselves (scripts/wpt)."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.wpt.pages import Page, find_pages

WRITTEN = "<script src=/resources/testharness.js></script><script>new SharedWorker('a.js')</script>"


def write(checkout: Path, path: str, text: str) -> None:
    file = checkout / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("metadata", "suffixes"),
    [
        ("", []),
        ("// META: global=window,dedicatedworker\n", []),
        ("// META: global=worker\n", ["sharedworker.html"]),
        ("// META: global=window,worker,!sharedworker\n", []),
        (
            "// META: global=sharedworker-module,sharedworker\n",
            ["sharedworker-module.html", "sharedworker.html"],
        ),
        ("// META: title=worker\n// META: global= sharedworker \n", ["sharedworker.html"]),
        ("const a = 1;\n// META: global=sharedworker\n", []),
    ],
)
def test_scopes_of_a_generated_page(tmp_path: Path, metadata: str, suffixes: list[str]) -> None:
    write(tmp_path, "xhr/a.any.js", metadata)
    assert [page.path for page in find_pages(tmp_path)] == [f"xhr/a.any.{suffix}" for suffix in suffixes]


def test_variants_and_timeout_of_a_generated_page(tmp_path: Path) -> None:
    lines = ["global=worker", "timeout=long", "variant=?1-10", "variant=?11-last"]
    write(tmp_path, "a.any.js", "".join(f"// META: {line}\n" for line in lines))
    assert find_pages(tmp_path) == [
        Page("a.any.sharedworker.html?1-10", is_long=True),
        Page("a.any.sharedworker.html?11-last", is_long=True),
    ]


@pytest.mark.parametrize(
    ("path", "text", "is_found"),
    [
        ("workers/a.html", WRITTEN, True),
        ("workers/SharedWorker-b.html", "<script src=/resources/testharness.js></script>", True),
        ("workers/a.html", WRITTEN.replace("testharness", "other"), False),
        ("workers/a.html", WRITTEN.replace("SharedWorker", "Worker"), False),
        ("workers/a-manual.html", WRITTEN, False),
        ("workers/support/a.html", WRITTEN, False),
        ("tools/a.html", WRITTEN, False),
    ],
)
def test_written_page_starts_a_worker(tmp_path: Path, path: str, text: str, is_found: bool) -> None:
    write(tmp_path, path, text)
    assert find_pages(tmp_path) == ([Page(path)] if is_found else [])


@pytest.mark.parametrize("meta", ['<meta name="timeout" content="long">', "<meta name=timeout content=long>"])
def test_timeout_and_variants_of_a_written_page(tmp_path: Path, meta: str) -> None:
    write(
        tmp_path,
        "a.html",
        meta + '<meta name="variant" content="?1"><meta name=variant content="?2">' + WRITTEN,
    )
    assert find_pages(tmp_path) == [Page("a.html?1", is_long=True), Page("a.html?2", is_long=True)]


def test_selection_is_the_beginning_of_a_path(tmp_path: Path) -> None:
    for path in ("workers/a.html", "workers/b.html", "xhr/workers/c.html"):
        write(tmp_path, path, WRITTEN)
    assert [page.path for page in find_pages(tmp_path, ["workers/b", "xhr"])] == [
        "workers/b.html",
        "xhr/workers/c.html",
    ]
