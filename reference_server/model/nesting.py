"""Records that are nested too deeply for a decoder that recurses: where they are in a body."""

import re
from typing import NamedTuple

SHALLOW_LEVELS = 100
"""Every decoder reads a record of so many levels, however much of its stack is in use."""

_MEMBER_LEVEL = 2
"""How many brackets are open before a record: those of the body, and of the list."""

_TOKEN = re.compile(rb'"[^"]*"?|[\[{]+|[\]}]+')
_QUOTE, _OPENING = ord('"'), b"[{"


class Span(NamedTuple):
    """A part of a body."""

    start: int
    end: int


def find_deep_members(body: bytes) -> list[Span]:
    """Return the members of lists in the body's object that have more than SHALLOW_LEVELS, in order.

    It is a scan without recursion, about 5 MB a second. It does not check whether the body is JSON.
    """
    # As long as the body, and a quotation mark in it is the beginning or the end of a string.
    text = body.replace(rb"\\", b"..").replace(rb"\"", b"..")
    spans = []
    level = deepest = start = 0
    for token in _TOKEN.finditer(text):
        begin, end = token.span()
        if text[begin] == _QUOTE:
            continue
        count = end - begin
        if text[begin] in _OPENING:
            if level <= _MEMBER_LEVEL < level + count:
                start, deepest = begin + _MEMBER_LEVEL - level, 0
            level += count
            deepest = max(deepest, level)
        else:
            if level - count <= _MEMBER_LEVEL < level and deepest > SHALLOW_LEVELS:
                spans.append(Span(start, begin + level - _MEMBER_LEVEL))
            level -= count
    return spans
