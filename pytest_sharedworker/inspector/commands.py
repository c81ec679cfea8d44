"""Commands of the inspector's page, which only the test's thread can carry out.

Playwright's synchronous API belongs to that thread: the server puts a command into a queue, and the test,
while it is paused, takes it out.
"""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any


class NotPausedError(Exception):
    """The test runs, so nothing takes commands."""


@dataclass
class Command:
    """One command and its arguments; `reply` is for the page that waits."""

    name: str
    arguments: Mapping[str, Any]
    reply: asyncio.Future[Any] = field(repr=False)

    def finish(self, result: object = None, error: BaseException | None = None) -> None:
        """Reply, from any thread. A page that no longer waits gets nothing."""

        def set_reply() -> None:
            if not self.reply.done():
                if error is None:
                    self.reply.set_result(result)
                else:
                    self.reply.set_exception(error)

        with suppress(RuntimeError):  # The loop is closed.
            self.reply.get_loop().call_soon_threadsafe(set_reply)


class CommandQueue:
    """Hands commands from the server's thread to the test's."""

    def __init__(self) -> None:
        self._commands: queue.Queue[Command] = queue.Queue()
        self.is_open = False
        """Whether the test is paused."""

    async def run(self, name: str, arguments: Mapping[str, Any]) -> Any:
        """Have the test's thread carry out a command and return its result.

        Raise NotPausedError while the test runs, and what the command raises.
        """
        if not self.is_open:
            raise NotPausedError("the test is running: it takes commands while it is paused")
        command = Command(name, arguments, asyncio.get_running_loop().create_future())
        self._commands.put(command)
        if not self.is_open:  # It was closed in this moment, perhaps after the queue was emptied.
            self._refuse()
        return await command.reply

    def take(self, timeout_seconds: float) -> Command | None:
        """Return the next command, None if none comes in time (in the test's thread)."""
        try:
            return self._commands.get(timeout_seconds > 0, timeout_seconds or None)
        except queue.Empty:
            return None

    def open(self) -> None:
        """Take commands from now on."""
        self.is_open = True

    def close(self) -> None:
        """Take no more commands, and refuse those that wait."""
        self.is_open = False
        self._refuse()

    def _refuse(self) -> None:
        while (command := self.take(0)) is not None:
            command.finish(error=NotPausedError("the test has resumed before this command"))

    def serve(self, run: Callable[[Command], object], command: Command) -> None:
        """Carry out one command and reply with its result or what it raised."""
        try:
            result = run(command)
        except Exception as error:
            command.finish(error=error)
        else:
            command.finish(result)
