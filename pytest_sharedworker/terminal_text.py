"""Text of an app, made safe for a terminal and for the log of a CI service.

An app's console, errors and responses may contain anything. A terminal acts on control characters, and a CI
service on lines that are commands: GitHub on `::error::…` at the start of a line (behind blanks, too) and on
`##[…]` anywhere, Azure Pipelines on `##vso[…]`, TeamCity on `##teamcity[…]`. Each becomes an escape.
"""

from __future__ import annotations

import re

# C0 and C1 controls except tab and line feed; surrogates; marks, overrides and isolates of direction; the
# line separators that end a line for some readers; the byte order mark.
_ACTIVE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)
_COMMAND = re.compile(r"^(?P<blanks>\s*)(?P<first>:)(?=:)|(?P<hash>#)(?=#[\w.]*\[)", re.MULTILINE)


def escape_text(text: str) -> str:
    """Return the text with control characters and the begin of CI commands as escapes such as `\\x1b`."""
    return _COMMAND.sub(_escape_command, _ACTIVE.sub(_escape, text.replace("\r\n", "\n")))


def _escape_command(match: re.Match[str]) -> str:
    return r"\x23" if match["hash"] else rf"{match['blanks']}\x3a"


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
