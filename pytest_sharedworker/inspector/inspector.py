"""The inspector of one test: a page that shows what happens, and a pause in which it takes commands."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from playwright.sync_api import Browser, BrowserContext
from playwright.sync_api import Error as PlaywrightError

from pytest_sharedworker.browsers.capabilities import get_capabilities
from pytest_sharedworker.control.messages import ConsoleMessage, WorkerActivity, WorkerError
from pytest_sharedworker.control.session import ControlChannel
from pytest_sharedworker.errors import SharedWorkerError
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.inspector.commands import Command, CommandQueue
from pytest_sharedworker.inspector.controls import Action, Controls
from pytest_sharedworker.inspector.feed import EventFeed
from pytest_sharedworker.inspector.server import InspectorServer
from pytest_sharedworker.inspector.state import StateReader
from pytest_sharedworker.integration.event_loop_thread import LoopThread
from pytest_sharedworker.timeline.reader import TimelineReader
from pytest_sharedworker.workers.manager import WorkerManager

TAKE_SECONDS = 0.05
"""How long the paused test waits for a command before it lets events of Playwright arrive."""
STATE_SECONDS = 0.5
"""How often the paused test reads its state."""

PLAY_SECONDS = 0.25
"""How much time passes at once where time passes as real time does: each step is an event."""


class Inspector:
    """Shows one test in a page of its own, and acts on it while it is paused."""

    def __init__(
        self, title: str, browser: Browser, manager: WorkerManager, gateway: Gateway, loop: LoopThread
    ):
        self._browser = browser
        self._manager = manager
        self._loop_thread = loop
        self._commands = CommandQueue()
        self._controls = Controls(manager, gateway)
        can_crash = get_capabilities(browser.browser_type.name).can_crash_pages
        self._state = StateReader(title, manager, gateway, self._controls, can_crash=can_crash)
        reader = TimelineReader(
            gateway.journal,
            notes=gateway._notes,
            moves=manager.clock_moves.moves,
            tab_console=manager.tab_console,
            workers=_ChannelReader(manager, gateway).list,
        )
        self._server = InspectorServer(EventFeed(reader.read_new, gateway.journal.started_at), self._commands)
        self._context: BrowserContext | None = None
        self._is_page_closed = False

    @property
    def url(self) -> str:
        """The address of the page, with its token; "" before the start."""
        return self._server.url

    def start(self) -> None:
        """Serve the page."""
        self._server.set_state(self._state.read_running())
        self._loop_thread.run(self._server.start())

    def open_page(self) -> None:
        """Open the page in a context of its own, which the app does not notice."""
        if self._context is None:
            self._context = self._browser.new_context(no_viewport=True)
            page = self._context.new_page()
            page.on("close", lambda _: self._note_page_close())
            page.goto(self.url)

    def _note_page_close(self) -> None:
        self._is_page_closed = True

    def pause(
        self,
        *,
        reason: str,
        actions: Mapping[str, Action] | None = None,
        watches: Mapping[str, Callable[[], object]] | None = None,
    ) -> None:
        """Carry out commands until one resumes the test, or the page that `open_page` opened is closed.

        `actions` become buttons, the results of `watches` are shown. Raise SharedWorkerError in a command.
        """
        if self._commands.is_open:
            raise SharedWorkerError("the test is paused already")
        controls, self._state.watches = self._controls, watches or {}
        controls.actions, controls.is_resumed, controls.is_playing = actions or {}, False, False
        self._commands.open()
        try:
            self._run_commands(reason)
        finally:
            self._commands.close()
            self._server.set_state(self._state.read_running())

    def resume(self) -> None:
        """End the pause, from any thread and from a signal's handler."""
        self._controls.is_resumed = True

    def _run_commands(self, reason: str) -> None:
        next_state = 0.0
        played_until = time.monotonic()
        while not self._controls.is_resumed and not self._is_page_closed:
            command = self._commands.take(TAKE_SECONDS)
            if command is not None:
                self._commands.serve(self._run, command)
            self._manager.pump()
            now = time.monotonic()
            if not self._controls.is_playing:
                played_until = now
            elif now - played_until >= PLAY_SECONDS:
                self._play((now - played_until) * 1000)
                played_until = now
            if command is not None or now >= next_state:
                self._server.set_state(self._state.read(reason))
                next_state = time.monotonic() + STATE_SECONDS

    def _run(self, command: Command) -> object:
        return self._controls.run(command.name, command.arguments)

    def _play(self, elapsed_ms: float) -> None:
        try:
            self._manager.clock.run_for(round(elapsed_ms))
        except SharedWorkerError:  # Work that does not end; a person sees what time waits for.
            self._controls.is_playing = False

    def close(self) -> None:
        """Close the page and the server. Idempotent."""
        self._loop_thread.run(self._server.stop())
        if self._context is not None:
            with suppress(PlaywrightError):  # The browser has ended.
                self._context.close()
            self._context = None


class _ChannelReader:
    """The workers of a test as a timeline needs them, safe to read in the loop's thread."""

    def __init__(self, manager: WorkerManager, gateway: Gateway) -> None:
        self._manager = manager
        self._gateway = gateway
        self._workers: list[_ChannelEvents] = []

    def list(self) -> Sequence[_ChannelEvents]:
        """Return all workers that have started, oldest first."""
        for channel in self._manager.channels[len(self._workers) :]:
            self._workers.append(_ChannelEvents(channel, self._gateway))
        return self._workers


class _ChannelEvents:
    """A worker as a timeline needs it, from its control channel alone."""

    def __init__(self, channel: ControlChannel, gateway: Gateway) -> None:
        self._channel = channel
        self._gateway = gateway
        self._errors: list[WorkerError] = []
        self.id = channel.id
        self.label = str(channel)
        self.url = channel.url
        self.started_at = channel.started_at
        self._virtual_offset = channel.virtual_offset

    @property
    def closed_at(self) -> datetime | None:
        return self._channel.ended_at if self._channel.ended else None

    @property
    def _activities(self) -> Sequence[WorkerActivity]:
        return self._channel.activities

    def console_messages(self) -> Sequence[ConsoleMessage]:
        return self._channel.console

    def errors(self) -> Sequence[WorkerError]:
        for error in self._channel.errors[len(self._errors) :]:  # To correct a stack takes time.
            self._errors.append(replace(error, stack=self._gateway._correct_stack(error.stack)))
        return self._errors
