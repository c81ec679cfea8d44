"""What workers report: console messages and uncaught errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from pytest_sharedworker.terminal_text import escape_text


@dataclass(frozen=True)
class ConsoleMessage:
    """A message that a worker wrote to the console.

    `type` is that of Playwright's ConsoleMessage: log, debug, info, warning, error, assert, clear, count,
    dir, dirxml, table, timeEnd, trace, startGroup, startGroupCollapsed or endGroup.
    `at` is when it was written (real time), `virtual_time` the virtual ms since the worker's start;
    None on another clock.
    """

    type: str
    text: str
    at: datetime | None = field(default=None, compare=False)
    virtual_time: float | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return escape_text(f"{self.type}: {self.text}")


@dataclass(frozen=True)
class WorkerError:
    """An uncaught exception or unhandled rejection of a worker; times as in ConsoleMessage."""

    message: str
    stack: str = ""
    at: datetime | None = field(default=None, compare=False)
    virtual_time: float | None = field(default=None, compare=False)

    def __str__(self) -> str:
        text = self.stack if self.message in self.stack else f"{self.message}\n{self.stack}".rstrip()
        return escape_text(text)


@dataclass(frozen=True)
class WorkerActivity:
    """A message on one of a worker's ports, or a write to its storage; times as in ConsoleMessage.

    Workers report them only to the inspector. `value` is the message or the stored value as text; `port` is
    the tab's port, "" where it is not known.
    """

    kind: Literal["message", "storage"]
    what: str
    value: str
    at: datetime
    virtual_time: float | None = None
    port: str = ""

    def __str__(self) -> str:
        return escape_text(f"{self.what} {self.value}".rstrip())
