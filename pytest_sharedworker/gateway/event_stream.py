"""Find the events in an event stream (HTML, 9.2.6: Interpreting an event stream)."""

from __future__ import annotations

import re
from collections.abc import Callable

_LINE = re.compile(rb"([^\r\n]*)(\r\n|\n|\r(?=[^\n]))")
"""A complete line; behind a `\\r` at the end of a piece, a `\\n` may follow."""


class EventStreamReader:
    """Calls a function with the type of each event that a browser dispatches."""

    def __init__(self, on_event: Callable[[str], None]) -> None:
        self._on_event = on_event
        self._rest = b""
        self._kind = ""
        self._has_data = False

    def read(self, piece: bytes) -> None:
        """Read the next piece of the stream."""
        self._rest += piece
        position = 0
        while line := _LINE.match(self._rest, position):
            position = line.end()
            self._read_line(line[1])
        self._rest = self._rest[position:]

    def _read_line(self, line: bytes) -> None:
        if not line:
            if self._has_data:
                self._on_event(self._kind or "message")
            self._kind, self._has_data = "", False
            return
        field, _, value = line.partition(b":")
        if field.removeprefix(b"\xef\xbb\xbf") == b"data":
            self._has_data = True
        elif field == b"event":
            self._kind = value.removeprefix(b" ").decode("utf-8", "replace")
