"""What workers report: console lines and uncaught errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class ConsoleMessage:
    """A line that a worker wrote: `level` is debug, log, info, warn or error.

    `at` is when (real time), `virtual_seconds` the worker's own time since its start, where it has one.
    """

    level: str
    text: str
    at: datetime | None = field(default=None, compare=False)
    virtual_seconds: float | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return f"{self.level}: {self.text}"


@dataclass(frozen=True)
class WorkerError:
    """An uncaught exception or unhandled rejection of a worker; times as in ConsoleMessage."""

    message: str
    stack: str = ""
    at: datetime | None = field(default=None, compare=False)
    virtual_seconds: float | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return self.stack if self.message in self.stack else f"{self.message}\n{self.stack}".rstrip()
