"""Text from a system under test, made safe to print, store and send.

Such text is data. What is active in it is written as a visible escape, as the plugin does with the text of an
app, and long text is cut.
"""

from __future__ import annotations

MAX_CHARACTERS = 4_000
MAX_DETAILS_CHARACTERS = 200_000
FIRST_LINES = 8


def clean(text: str, limit: int = MAX_CHARACTERS) -> str:
    """Return the text with its active characters as escapes, cut to a number of characters."""
    # Not at the top: the command line imports this module, and pytest has to import the plugin first.
    from pytest_sharedworker.terminal_text import escape_text

    visible = escape_text(text)
    if len(visible) <= limit:
        return visible
    return f"{visible[:limit]}… ({len(visible) - limit} more characters)"


def take_first_lines(text: str, count: int = FIRST_LINES) -> str:
    """Return the first lines of a text and how many were left out."""
    lines = text.strip().splitlines()
    if len(lines) <= count:
        return "\n".join(lines)
    return "\n".join([*lines[:count], f"… ({len(lines) - count} more lines)"])
