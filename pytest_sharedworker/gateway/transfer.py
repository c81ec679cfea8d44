"""How the body of a response is sent: in one go, or as toxics shape it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_PIECE_BYTES = 16 * 1024


@dataclass
class Transfer:
    """The plan for one body; times in ms of the sender's time."""

    limit: int | None = None
    """After how many bytes the connection is reset."""
    piece_size: int = _PIECE_BYTES
    piece_delay: float = 0.0
    """Before each piece."""
    byte_delay: float = 0.0
    """For each byte."""
    close_delay: float = 0.0
    """Between the last byte and the end of the connection."""

    def split(self, body: bytes) -> Iterator[tuple[bytes, float]]:
        """Yield the pieces of a body, each with the delay before it."""
        for start in range(0, len(body), self.piece_size):
            piece = body[start : start + self.piece_size]
            yield piece, self.piece_delay + len(piece) * self.byte_delay
