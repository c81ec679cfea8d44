"""Read a source map: pure functions, no network.

Lines and columns count from 0 here, columns in UTF-16 code units, as ECMA-426 has it. Python's packages for
source maps have had no release for years and read no index maps, so this module decodes the mappings itself.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urljoin

_COMMENT = re.compile(r"//[#@][ \t]*sourceMappingURL=([^\s'\"`]+)[ \t]*$", re.MULTILINE)
_DIGITS = {
    char: value
    for value, char in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
}


class Original(NamedTuple):
    """A position in a source: its URL, line and column, and the name that the bundler replaced there."""

    source: str
    line: int
    column: int
    name: str | None = None


class SourceMap:
    """The mappings of one generated script. Raise ValueError where `text` is not a source map.

    `url` is where the map was found; the URLs of its sources are relative to it.
    """

    def __init__(self, text: str, url: str) -> None:
        self._columns: dict[int, list[int]] = {}
        self._originals: dict[int, list[Original | None]] = {}
        self.contents: dict[str, str] = {}
        """The texts of the sources that the map contains."""
        # A first line of this kind keeps a map from running as a script.
        value = json.loads(text.partition("\n")[2] if text.startswith(")]}'") else text)
        try:
            for part in _list_parts(value):
                self.contents.update(_read_contents(part["map"], url))
            for line, column, original in _read(value, url):
                self._columns.setdefault(line, []).append(column)
                self._originals.setdefault(line, []).append(original)
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise ValueError(f"no source map: {error!r}") from error
        for line, columns in self._columns.items():
            order = sorted(range(len(columns)), key=columns.__getitem__)
            self._columns[line] = [columns[each] for each in order]
            self._originals[line] = [self._originals[line][each] for each in order]

    def find(self, line: int, column: int) -> Original | None:
        """Return where the generated position comes from; None where the bundler wrote it."""
        index = bisect_right(self._columns.get(line, []), column) - 1
        return self._originals[line][index] if index >= 0 else None

    def list_segments(self, line: int) -> Iterator[tuple[int, int | None, Original]]:
        """Yield what a generated line consists of: start, end (None: the line's end) and origin."""
        columns = self._columns.get(line, [])
        ends: list[int | None] = [*columns[1:], None]
        for start, end, original in zip(columns, ends, self._originals.get(line, []), strict=False):
            if original is not None and start != end:
                yield start, end, original


def find_source_map_url(script: str) -> str | None:
    """Return the URL that the last comment `//# sourceMappingURL=` of a script names."""
    found = _COMMENT.findall(script)
    return found[-1] if found else None


def _list_parts(value: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the sections of an index map, which are maps side by side; any other map is one section."""
    if not isinstance(value, dict) or value.get("version") != 3:
        raise ValueError("no source map: its version is not 3")
    whole = {"offset": {"line": 0, "column": 0}, "map": value}
    sections: list[dict[str, Any]] = value.get("sections", [whole])
    return sections


def _read(value: dict[str, Any], url: str) -> Iterator[tuple[int, int, Original | None]]:
    for section in _list_parts(value):
        first_line, first_column = section["offset"]["line"], section["offset"]["column"]
        for line, column, original in _read_mappings(section["map"], url):
            yield first_line + line, column + (first_column if line == 0 else 0), original


def _read_sources(value: dict[str, Any], url: str) -> list[str]:
    root = value.get("sourceRoot") or ""
    if root and not root.endswith("/"):
        root += "/"
    return [_join(url, root + (each or "")) for each in value["sources"]]


def _read_contents(value: dict[str, Any], url: str) -> dict[str, str]:
    contents = value.get("sourcesContent") or []
    named = zip(_read_sources(value, url), contents, strict=False)
    return {source: text for source, text in named if isinstance(text, str)}


def _read_mappings(value: dict[str, Any], url: str) -> Iterator[tuple[int, int, Original | None]]:
    sources = _read_sources(value, url)
    names = value.get("names") or []
    source = source_line = source_column = name = 0
    for line, segments in enumerate(value["mappings"].split(";")):
        column = 0
        for segment in filter(None, segments.split(",")):
            numbers = _decode(segment)
            column += numbers[0]
            if len(numbers) < 4:
                yield line, column, None
                continue
            source += numbers[1]
            source_line += numbers[2]
            source_column += numbers[3]
            original_name = None
            if len(numbers) > 4:
                name += numbers[4]
                original_name = names[name]
            yield line, column, Original(sources[source], source_line, source_column, original_name)


def _decode(segment: str) -> list[int]:
    """Return the numbers of a segment: base 64, 5 bits a digit, lowest first; the lowest bit is the sign."""
    numbers, value, shift = [], 0, 0
    for char in segment:
        digit = _DIGITS[char]
        value |= (digit & 31) << shift
        shift += 5
        if not digit & 32:
            numbers.append(-(value >> 1) if value & 1 else value >> 1)
            value = shift = 0
    return numbers


def _join(base: str, url: str) -> str:
    """Resolve a URL; schemes that Python does not know, such as webpack:, are absolute already."""
    return url if re.match(r"[a-zA-Z][\w+.-]*:", url) else urljoin(base, url)
