"""Convert V8's counts to lines: pure functions, no browser.

V8 reports how often ranges of characters of a script ran, by function; the ranges of a function's blocks are
nested in the function's range, and the innermost range counts. A line counts if it has code: anything but
white space, comments and closing brackets. Its count is the highest count of its characters.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_sharedworker.source_maps.source_map import Original, SourceMap

_ASTRAL_CHARACTER = re.compile(r"[\U00010000-\U0010ffff]")
_COMMENT_OR_STRING = re.compile(
    r"""(?P<comment> //[^\n\u2028\u2029]* | /\*.*?\*/ )
    | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' | `(?:\\.|[^`\\])*`""",
    re.DOTALL | re.VERBOSE,
)
_FUNCTION_NAME = re.compile(r"(?:async\s+)?function\s*\*?\s*(?=[\w$])")
_WITHOUT_CODE = re.compile(r"[\s)\]};,]*")
"""A line of closing brackets only has no statement."""


@dataclass(frozen=True)
class Range:
    """Characters `start` to `end` (UTF-16 units, end excluded) ran `count` times."""

    start: int
    end: int
    count: int


@dataclass(frozen=True)
class Function:
    """A function as V8 reports it: its range first, then its blocks with other counts."""

    name: str
    ranges: Sequence[Range]


@dataclass
class FileCoverage:
    """How often the lines and functions of one text ran. Lines count from 1."""

    path: str
    digest: str
    lines: dict[int, int] = field(default_factory=dict)
    functions: dict[tuple[int, str], int] = field(default_factory=dict)

    @property
    def covered(self) -> int:
        """The number of lines that ran."""
        return sum(1 for hits in self.lines.values() if hits)

    @property
    def missing(self) -> list[int]:
        """The lines that never ran."""
        return [line for line, hits in sorted(self.lines.items()) if not hits]

    def add(self, other: FileCoverage) -> None:
        """Add the counts of another run of the same text."""
        for line, hits in other.lines.items():
            self.lines[line] = self.lines.get(line, 0) + hits
        for function, hits in other.functions.items():
            self.functions[function] = self.functions.get(function, 0) + hits


class Coverage:
    """The files of a run. The same path with another text is another file."""

    def __init__(self) -> None:
        self._files: dict[tuple[str, str], FileCoverage] = {}

    def add(self, file: FileCoverage) -> None:
        """Add the counts of one file."""
        known = self._files.get((file.path, file.digest))
        if known is None:
            known = self._files[file.path, file.digest] = FileCoverage(file.path, file.digest)
        known.add(file)

    @property
    def files(self) -> list[FileCoverage]:
        """The files by path; those of one path and several texts are numbered, as in `worker.js#2`."""
        named = []
        seen: dict[str, int] = {}
        for path, digest in sorted(self._files):
            seen[path] = number = seen.get(path, 0) + 1
            file = self._files[path, digest]
            name = path if number == 1 else f"{path}#{number}"
            named.append(FileCoverage(name, digest, file.lines, file.functions))
        return named

    def to_json(self) -> list[Any]:
        """Return the coverage as JSON values, to send it to another process."""
        return [
            [
                file.path,
                file.digest,
                [[line, hits] for line, hits in file.lines.items()],
                [[line, name, hits] for (line, name), hits in file.functions.items()],
            ]
            for file in self._files.values()
        ]

    def add_json(self, values: Iterable[Any]) -> None:
        """Add what `to_json` returned in another process."""
        for path, digest, lines, functions in values:
            counts = {(line, name): hits for line, name, hits in functions}
            self.add(FileCoverage(path, digest, dict(map(tuple, lines)), counts))


def make_file_coverage(
    path: str, source: str, functions: Iterable[Function], *, skip: int = 0
) -> FileCoverage:
    """Return the coverage of one script from V8's report.

    `skip`: the number of characters at the beginning of `source` that do not belong to the file.
    """
    digest = _make_digest(source[skip:])
    units, skip = _to_units(source), len(_to_units(source[:skip]))
    functions = list(functions)
    result = FileCoverage(path, digest)
    result.lines.update(_count_lines(units, skip, _count_characters(len(units), functions)))
    for function in functions:
        outer = function.ranges[0]
        if function.name and outer.start >= skip:
            line = units.count("\n", skip, outer.start) + 1
            key = (line, function.name)
            result.functions[key] = result.functions.get(key, 0) + outer.count
    return result


def make_original_coverage(
    source_map: SourceMap,
    get_path: Callable[[str], str],
    source: str,
    functions: Iterable[Function],
    *,
    skip: int = 0,
) -> list[FileCoverage]:
    """Return the coverage of the sources of a bundled script, by its source map; see `make_file_coverage`.

    A line of a source has code where the bundle has code of it; its count is the highest of that code.
    `get_path` returns the path of a source's URL.
    """
    units, skip = _to_units(source), len(_to_units(source[:skip]))
    functions = list(functions)
    counts = _count_characters(len(units), functions)
    files: dict[str, FileCoverage] = {}
    starts = [skip]
    for number, line in enumerate(units[skip:].split("\n")):
        start = starts[-1]
        for begin, end, original in source_map.list_segments(number):
            file = files.get(original.source)
            if file is None:
                digest = _make_digest(source_map.contents.get(original.source, ""))
                file = files[original.source] = FileCoverage(get_path(original.source), digest)
            text = line[begin:end]
            if not _WITHOUT_CODE.fullmatch(text):
                hits = counts[start + begin + len(text) - len(text.lstrip())]
                file.lines[original.line + 1] = max(hits, file.lines.get(original.line + 1, 0))
        starts.append(start + len(line) + 1)
    for function in functions:
        outer = function.ranges[0]
        if function.name and outer.start >= skip:
            found = _find_function(source_map, units, starts, outer.start)
            if found is not None and found.source in files:
                counted = files[found.source].functions
                key = found.line + 1, found.name or function.name
                counted[key] = counted.get(key, 0) + outer.count
    return list(files.values())


def _to_units(text: str) -> str:
    """Return text with a character for each UTF-16 unit, as V8 counts: two for one beyond plane 0."""
    return _ASTRAL_CHARACTER.sub("xx", text)


def _make_digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _find_function(source_map: SourceMap, units: str, starts: list[int], at: int) -> Original | None:
    """Return where a function was written, and its name there."""
    row = bisect_right(starts, at) - 1
    declared = _FUNCTION_NAME.match(units, at)
    named = source_map.find(row, declared.end() - starts[row]) if declared else None
    return named if named and named.name else source_map.find(row, at - starts[row])


def _count_characters(length: int, functions: Iterable[Function]) -> list[int]:
    """Return how often each character ran."""
    counts = [0] * length
    ranges = [each for function in functions for each in function.ranges]
    # Of two ranges with the same start the longer one is the outer one; the inner one overwrites it.
    for each in sorted(ranges, key=lambda each: (each.start, -each.end)):
        end = min(each.end, length)
        counts[each.start : end] = [each.count] * (end - each.start)
    return counts


def _count_lines(text: str, skip: int, counts: Sequence[int]) -> Iterable[tuple[int, int]]:
    """Yield the lines with code after `skip`: the number, and how often the line ran."""
    code = _COMMENT_OR_STRING.sub(_blank_comment, text)
    start = skip
    for number, line in enumerate(code[skip:].split("\n"), 1):
        if not _WITHOUT_CODE.fullmatch(line):
            hits = max(counts[start + at] for at, char in enumerate(line) if not char.isspace())
            yield number, hits
        start += len(line) + 1


def _blank_comment(found: re.Match[str]) -> str:
    if found["comment"] is None:
        return found[0]
    return re.sub(r"[^\n]", " ", found[0])
