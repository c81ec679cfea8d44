"""Positions in stacks: those of the script as its server sent it, or those that its source map names."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from pytest_sharedworker.injected.prologue import OWN_PREFIX
from pytest_sharedworker.source_maps.script_maps import ScriptMaps

_POSITION = re.compile(r"(?P<url>https?://[^\s()@]+?):(?P<line>\d+):(?P<column>\d+)")


def correct_stack(
    stack: str, find_prefix: Callable[[str], str | None], source_maps: ScriptMaps | None = None
) -> str:
    """Return a stack with the positions of the sources, and without the frames of the plugin.

    `find_prefix` returns what was put in front of the script of a URL. Where a script has no source map in
    `source_maps`, its positions are those in the script as it was served. Browsers count columns from 1, in
    UTF-16 code units.
    """
    lines = (_correct_line(line, find_prefix, source_maps) for line in stack.split("\n"))
    return "\n".join(line for line in lines if line is not None)


def _correct_line(
    text: str, find_prefix: Callable[[str], str | None], source_maps: ScriptMaps | None
) -> str | None:
    """Return one line of a stack; None for a frame of the plugin."""
    frame = _POSITION.search(text)
    if frame is None:
        return text
    if urlsplit(frame["url"]).path.startswith(OWN_PREFIX):
        return None
    *earlier, last = (find_prefix(frame["url"]) or "").split("\n")
    url, line, column = frame["url"], int(frame["line"]) - len(earlier), int(frame["column"])
    if line == 1:
        column -= len(last.encode("utf-16-le")) // 2
    if line < 1 or column < 1:
        return None
    if source_maps is not None and (original := source_maps.find(url, line, column)):
        url, line, column = original.source, original.line, original.column
    return f"{text[: frame.start()]}{url}:{line}:{column}{text[frame.end() :]}"
