"""From what V8 counts to lines: pure functions, no browser.

V8 tells how often ranges of characters of a script ran, function by function, each function's blocks
inside of its own range; the innermost range counts. A line counts where it has code: something
other than white space, comments and closing brackets. It ran as often as the part of it that ran most.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

_BESIDE_UNICODE_PLANE_0 = re.compile(r"[\U00010000-\U0010ffff]")
_NOT_CODE = re.compile(
    r"""(?P<comment> //[^\n\u2028\u2029]* | /\*.*?\*/ )
    | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' | `(?:\\.|[^`\\])*`""",
    re.DOTALL | re.VERBOSE,
)
_SILENT = re.compile(r"[\s)\]};,]*")
"""A line of closing brackets alone is as little a statement as an empty one."""


@dataclass(frozen=True)
class Range:
    """Characters `start` to `end` (UTF-16 units, end excluded) ran `count` times."""

    start: int
    end: int
    count: int


@dataclass(frozen=True)
class Function:
    """A function as V8 reports it: its own range first, then the blocks in it that ran otherwise."""

    name: str
    ranges: Sequence[Range]


@dataclass
class FileCoverage:
    """Which lines and functions of one text ran how often. Lines count from 1."""

    path: str
    digest: str
    lines: dict[int, int] = field(default_factory=dict)
    functions: dict[tuple[int, str], int] = field(default_factory=dict)

    @property
    def covered(self) -> int:
        """How many of its lines ran."""
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
    """The files of a whole run. The same path with another text is another file."""

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
        """All of it as JSON values, to be sent to another process."""
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
        """Add what `to_json` of another process gave."""
        for path, digest, lines, functions in values:
            counts = {(line, name): hits for line, name, hits in functions}
            self.add(FileCoverage(path, digest, dict(map(tuple, lines)), counts))


def file_coverage(path: str, source: str, functions: Iterable[Function], *, skip: int = 0) -> FileCoverage:
    """Read V8's report on one script.

    `skip`: how many characters at the beginning of `source` are not the file's own.
    """
    digest = hashlib.sha256(source[skip:].encode("utf-8", "surrogatepass")).hexdigest()
    # V8 counts UTF-16 units; a character beyond plane 0 is two of them.
    units = _BESIDE_UNICODE_PLANE_0.sub("xx", source)
    skip = len(_BESIDE_UNICODE_PLANE_0.sub("xx", source[:skip]))
    functions = list(functions)
    result = FileCoverage(path, digest)
    result.lines.update(_code_lines(units, skip, _counts(len(units), functions)))
    for function in functions:
        whole = function.ranges[0]
        if function.name and whole.start >= skip:
            line = units.count("\n", skip, whole.start) + 1
            key = (line, function.name)
            result.functions[key] = result.functions.get(key, 0) + whole.count
    return result


def _counts(length: int, functions: Iterable[Function]) -> list[int]:
    """How often each character ran."""
    counts = [0] * length
    ranges = [each for function in functions for each in function.ranges]
    # Of ranges that begin together the longer one is the outer one; the inner one paints over it.
    for each in sorted(ranges, key=lambda each: (each.start, -each.end)):
        end = min(each.end, length)
        counts[each.start : end] = [each.count] * (end - each.start)
    return counts


def _code_lines(text: str, skip: int, counts: Sequence[int]) -> Iterable[tuple[int, int]]:
    """The lines with code behind `skip`: number, and how often it ran."""
    bare = _NOT_CODE.sub(_blank_comment, text)
    start = skip
    for number, line in enumerate(bare[skip:].split("\n"), 1):
        if not _SILENT.fullmatch(line):
            hits = max(counts[start + at] for at, char in enumerate(line) if not char.isspace())
            yield number, hits
        start += len(line) + 1


def _blank_comment(found: re.Match[str]) -> str:
    if found["comment"] is None:
        return found[0]
    return re.sub(r"[^\n]", " ", found[0])
