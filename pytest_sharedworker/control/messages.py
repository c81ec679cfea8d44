"""What workers report: console messages and uncaught errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class ConsoleMessage:
    """A message that a worker wrote to the console.

    `level` is debug, log, info, warn or error; for other methods of the console it is what DevTools call it:
    assert, count, dir, table, trace, startGroup, startGroupCollapsed, endGroup.
    `at` is when it was written (real time), `virtual_seconds` the virtual time since the worker's start;
    None on another clock.
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
