"""Text from a system under test, made safe to print, store and send.

Such text is data. It may contain terminal escapes, NUL, halves of surrogate pairs and characters that change
the direction of text, and lines that a CI service takes for commands. Each of them is written as a visible
escape and has no effect. (The plugin's `terminal_text` does the same; pytest has to import the plugin first.)
"""

from __future__ import annotations

import re

MAX_CHARACTERS = 4_000
MAX_DETAILS_CHARACTERS = 200_000
FIRST_LINES = 8

# C0 and C1 controls except tab and line feed; surrogates; marks, overrides and isolates of direction;
# the two line separators that JavaScript once accepted as line ends; the byte order mark.
_ACTIVE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)
# Of GitHub, Azure Pipelines and TeamCity.
_COMMAND = re.compile(r"^(?P<blanks>\s*)(?P<first>:)(?=:)|(?P<hash>#)(?=#[\w.]*\[)", re.MULTILINE)


def clean(text: str, limit: int = MAX_CHARACTERS) -> str:
    """Return the text with its active characters as escapes, cut to a number of characters."""
    visible = _COMMAND.sub(_escape_command, _ACTIVE.sub(_escape, text.replace("\r\n", "\n")))
    if len(visible) <= limit:
        return visible
    return f"{visible[:limit]}… ({len(visible) - limit} more characters)"


def take_first_lines(text: str, count: int = FIRST_LINES) -> str:
    """Return the first lines of a text and how many were left out."""
    lines = text.strip().splitlines()
    if len(lines) <= count:
        return "\n".join(lines)
    return "\n".join([*lines[:count], f"… ({len(lines) - count} more lines)"])


def _escape_command(match: re.Match[str]) -> str:
    return r"\x23" if match["hash"] else rf"{match['blanks']}\x3a"


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
