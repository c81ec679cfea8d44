"""Ctrl-C ends a run, and pytest-timeout a test, in good order: nothing hangs, no browser is left behind.

Two things stand in the way of that in Playwright's synchronous API:

- Its event loop runs in a greenlet of its own. What a signal's handler raises in there, a KeyboardInterrupt
  or the failure of a test whose time is up, ends the loop for good, and whoever waits, or closes a browser
  afterwards, waits for ever. Here it is raised where the test waits.
- A terminal sends Ctrl-C to all processes of a run, and Playwright's driver ends at once, which leaves nobody
  to close the browsers in order. Here the driver gets a session of its own, which a terminal does not reach.
  It ends when pytest does, however that ends: its standard input is closed then.

Under pytest-xdist the controlling process passes an interrupt on, to workers that no terminal has told of it:
otherwise they learn of it by being killed.
"""

from __future__ import annotations

import asyncio
import functools
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import greenlet  # type: ignore[import-untyped]  # Playwright brings it, but not its stubs.
import pytest

_MARK_OF_A_CALL = "__pw_stack__"
"""What Playwright sets on the task of each call that a test waits for."""


_XDIST_PROCESSES = pytest.StashKey[list[subprocess.Popen[bytes]]]()


def install(config: pytest.Config) -> None:
    """Take over Ctrl-C for this run, unless something else than Python's own handler has it."""
    config.stash[_XDIST_PROCESSES] = []
    config.pluginmanager.register(_PassOn(config), "sharedworker-interrupt-xdist")
    is_main = threading.current_thread() is threading.main_thread()
    if is_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        handler = _interrupt_once if hasattr(config, "workerinput") else _interrupt
        signal.signal(signal.SIGINT, handler)
        config.add_cleanup(lambda: _give_back(handler))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Remember the process of one of pytest-xdist's workers, where it runs on this machine."""
    process = getattr(node.gateway._io, "popen", None)
    if process is not None:
        node.config.stash[_XDIST_PROCESSES].append(process)


class _PassOn:
    """Registered for the run, so that its hook knows the run's processes."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_keyboard_interrupt(self) -> None:
        for process in self._config.stash[_XDIST_PROCESSES]:
            process.send_signal(signal.SIGINT)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[object]) -> Generator[None, object, object]:
    """Keep the driver, which pytest-playwright's fixture of this name starts, out of a terminal's reach."""
    if fixturedef.argname != "playwright" or sys.platform == "win32":
        return (yield)
    with _subprocesses_in_sessions_of_their_own():
        return (yield)


def _interrupt_once(signal_number: int, frame: FrameType | None) -> None:
    """As `_interrupt`; what comes after it, from the terminal and from others, does not stop cleaning up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _interrupt(signal_number, frame)


def _interrupt(signal_number: int, frame: FrameType | None) -> None:
    _raise_where_the_test_waits(KeyboardInterrupt(), is_the_end=True)


@pytest.hookimpl(optionalhook=True, wrapper=True)
def pytest_timeout_set_timer() -> Generator[None, object, object]:
    """Have what pytest-timeout raises by a signal raised where the test waits."""
    result = yield
    if hasattr(signal, "SIGALRM"):
        handler = signal.getsignal(signal.SIGALRM)
        if callable(handler):
            signal.signal(signal.SIGALRM, functools.partial(_time_is_up, handler))
    return result


def _time_is_up(
    handler: Callable[[int, FrameType | None], Any], signal_number: int, frame: FrameType | None
) -> None:
    try:
        handler(signal_number, frame)
    except BaseException as error:  # pytest.fail() raises no Exception.
        _raise_where_the_test_waits(error, is_the_end=False)


def _raise_where_the_test_waits(error: BaseException, *, is_the_end: bool) -> None:
    """Raise an error in the test's own greenlet; the loop outlives it. `is_the_end`: of the whole run."""
    main = greenlet.getcurrent()
    if main.parent is None:
        raise error
    while main.parent is not None:
        main = main.parent
    loop = asyncio.get_running_loop()

    def go_over_to_the_test() -> None:
        # What the test waited for would wake it later, when it waits for something else.
        for task in asyncio.all_tasks(loop):
            if hasattr(task, _MARK_OF_A_CALL):
                task.cancel()
        # Nor is there anybody left to tell how what is cut off here failed. By default asyncio would log it
        # whenever garbage is collected, with a traceback, which breaks a parse that is under way then
        # (CPython 3.11: "AST constructor recursion depth mismatch").
        if is_the_end:
            loop.set_exception_handler(lambda loop, context: None)
        main.throw(error)

    # In the midst of the loop, whose next callback goes over to where the test waits for it. The loop goes on
    # once somebody waits for it again.
    loop.call_soon_threadsafe(go_over_to_the_test)


def _give_back(handler: Callable[[int, FrameType | None], None]) -> None:
    if signal.getsignal(signal.SIGINT) in (handler, signal.SIG_IGN):
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def _subprocesses_in_sessions_of_their_own() -> Iterator[None]:
    native = asyncio.create_subprocess_exec
    asyncio.create_subprocess_exec = functools.partial(native, start_new_session=True)
    try:
        yield
    finally:
        asyncio.create_subprocess_exec = native
