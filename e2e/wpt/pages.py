"""Find the pages of a web-platform-tests checkout that run tests in a SharedWorker."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_META = re.compile(r"^//\s*META:\s*(\w+)=(.*?)\s*$")
_HTML_VARIANT = re.compile(r"""<meta\s+name=["']?variant["']?\s+content=["']([^"']*)["']""", re.IGNORECASE)
_LONG = re.compile(r"""<meta\s+name=["']?timeout["']?\s+content=["']?long["']?""", re.IGNORECASE)
_SUFFIXES = {"sharedworker": ".any.sharedworker.html", "sharedworker-module": ".any.sharedworker-module.html"}
_GROUPS = {"worker": {"sharedworker"}}
"""What a name of several scopes stands for, as far as it concerns SharedWorkers."""
_NOT_PAGES = {"resources", "support", "tools", "handlers", "crashtests", "docs"}
_NOT_TESTS = re.compile(r"-(?:manual|ref|notref)\.|\.(?:headers|window|worker)\.")


@dataclass(frozen=True, order=True)
class Page:
    """A page by its path and query, for example `workers/a.any.sharedworker.html?1`."""

    path: str
    is_long: bool = False
    """Whether the page asks for a longer timeout."""


def find_pages(checkout: Path, selection: Sequence[str] = ()) -> list[Page]:
    """Return the pages whose path begins with one of `selection` (none: all), in order."""
    pages = {*_find_generated(checkout), *_find_written(checkout)}
    return sorted(page for page in pages if not selection or page.path.startswith(tuple(selection)))


def _find_generated(checkout: Path) -> Iterator[Page]:
    """Yield the pages that wptserve makes of `.any.js` files."""
    for file in checkout.rglob("*.any.js"):
        path = file.relative_to(checkout).as_posix()
        if _is_support(path):
            continue
        metadata = list(_read_metadata(file))
        scopes = _parse_scopes(next((value for key, value in metadata if key == "global"), ""))
        variants = [value for key, value in metadata if key == "variant"] or [""]
        is_long = ("timeout", "long") in metadata
        for scope in scopes:
            for variant in variants:
                yield Page(path.removesuffix(".any.js") + _SUFFIXES[scope] + variant, is_long)


def _find_written(checkout: Path) -> Iterator[Page]:
    """Yield the pages that start a SharedWorker themselves."""
    for file in checkout.rglob("*.html"):
        path = file.relative_to(checkout).as_posix()
        if _is_support(path) or _NOT_TESTS.search(path):
            continue
        text = file.read_text(encoding="utf-8", errors="replace")
        if "testharness.js" in text and ("SharedWorker(" in text or "sharedworker" in file.name.lower()):
            for variant in _HTML_VARIANT.findall(text) or [""]:
                yield Page(path + variant, _LONG.search(text) is not None)


def _is_support(path: str) -> bool:
    return not _NOT_PAGES.isdisjoint(path.split("/")[:-1])


def _read_metadata(file: Path) -> Iterator[tuple[str, str]]:
    with file.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if match := _META.match(line):
                yield match[1], match[2]
            elif not line.startswith("//"):
                return


def _parse_scopes(value: str) -> set[str]:
    """Return the SharedWorker scopes of `// META: global=`."""
    scopes: set[str] = set()
    for name in (each.strip() for each in value.split(",")):
        names = _GROUPS.get(name.removeprefix("!"), {name.removeprefix("!")}) & set(_SUFFIXES)
        if name.startswith("!"):
            scopes -= names
        else:
            scopes |= names
    return scopes
