"""Positions in stacks: those of the script as its server sent it, without the prologue in front of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from pytest_sharedworker.injected.prologue import OWN_PREFIX

_POSITION = re.compile(r"(?P<url>https?://[^\s()@]+?):(?P<line>\d+):(?P<column>\d+)")


def correct_stack(stack: str, find_prefix: Callable[[str], str | None]) -> str:
    """Return a stack with the positions of the served scripts, and without the frames of the plugin.

    `find_prefix` returns what was put in front of the script of a URL. Browsers count columns from 1, in
    UTF-16 code units.
    """
    lines = (_correct_line(line, find_prefix) for line in stack.split("\n"))
    return "\n".join(line for line in lines if line is not None)


def _correct_line(text: str, find_prefix: Callable[[str], str | None]) -> str | None:
    """Return one line of a stack; None for a frame of the plugin."""
    frame = _POSITION.search(text)
    if frame is None:
        return text
    if urlsplit(frame["url"]).path.startswith(OWN_PREFIX):
        return None
    prefix = find_prefix(frame["url"])
    if prefix is None:
        return text
    *earlier, last = prefix.split("\n")
    line, column = int(frame["line"]) - len(earlier), int(frame["column"])
    if line == 1:
        column -= len(last.encode("utf-16-le")) // 2
    if line < 1 or column < 1:
        return None
    return f"{text[: frame.start()]}{frame['url']}:{line}:{column}{text[frame.end() :]}"
