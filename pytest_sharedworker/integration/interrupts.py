"""Clean up after Ctrl-C and after pytest-timeout: nothing hangs, and all browsers are closed.

Python itself ignores an exception that a signal handler raises while a finalizer or the callback of a weak
reference runs, such as in a garbage collection: the signal would be lost. This module delivers it again.

Playwright's synchronous API prevents a cleanup in three ways:

- Its event loop runs in a separate greenlet. An exception that a signal handler raises there, a
  KeyboardInterrupt or a test's timeout, ends the loop, and later calls, such as closing a browser, hang.
  This module raises the exception in the test's greenlet instead.
- A terminal sends Ctrl-C to all processes of a run, and Playwright's driver ends at once, before the browsers
  are closed. This module starts the driver in a new session, which receives no Ctrl-C from the terminal. The
  driver ends when its standard input is closed, so it always ends together with pytest.
- Its event loop sleeps until a message arrives. A signal that comes just before, or that the system hands to
  another thread, does not wake it, so Python's handler would not run until then. This module lets every
  signal wake the loop.

Under pytest-xdist the controlling process forwards an interrupt to its worker processes, which may not have
received it from a terminal: otherwise they would be killed without cleaning up.
"""

from __future__ import annotations

import _thread
import asyncio
import functools
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import greenlet  # type: ignore[import-untyped]  # Playwright brings it, but not its stubs.
import pytest

_CALL_ATTRIBUTE = "__pw_stack__"
"""The attribute that Playwright sets on the task of each call that a test waits for."""

_DELIVER_AGAIN_ATTRIBUTE = "_sharedworker_deliver_again"
"""On an exception: what to call if Python ignores it."""

_DELIVER_AGAIN_SECONDS = 0.01

_XDIST_PROCESSES = pytest.StashKey[list[subprocess.Popen[bytes]]]()


def install(config: pytest.Config) -> None:
    """Handle Ctrl-C in this run, unless a handler other than Python's own is installed."""
    config.stash[_XDIST_PROCESSES] = []
    config.pluginmanager.register(_InterruptForwarder(config), "sharedworker-interrupt-xdist")
    is_main = threading.current_thread() is threading.main_thread()
    if is_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        handler = _interrupt_once if hasattr(config, "workerinput") else _interrupt
        signal.signal(signal.SIGINT, handler)
        config.add_cleanup(lambda: _restore_handler(handler))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Store the process of one of pytest-xdist's workers, if it runs on this machine."""
    process = getattr(node.gateway._io, "popen", None)
    if process is not None:
        node.config.stash[_XDIST_PROCESSES].append(process)


class _InterruptForwarder:
    """Forward an interrupt to the worker processes of one run."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_keyboard_interrupt(self) -> None:
        for process in self._config.stash[_XDIST_PROCESSES]:
            process.send_signal(signal.SIGINT)


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """Start Playwright's driver, which the fixture `playwright` starts, in a new session."""
    if fixturedef.argname != "playwright" or sys.platform == "win32":
        return (yield)
    with _start_subprocesses_in_new_sessions(request.config):
        return (yield)


def _interrupt_once(signal_number: int, frame: FrameType | None) -> None:
    """Do as `_interrupt`, and ignore further interrupts, so that they do not stop the cleanup."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _interrupt(signal_number, frame)


def _interrupt(signal_number: int, frame: FrameType | None) -> None:
    _raise_in_test(KeyboardInterrupt(), _interrupt_again, ends_run=True)


def _interrupt_again() -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, _interrupt_once)
    # Not from here, where the exception would be ignored once more.
    threading.Timer(_DELIVER_AGAIN_SECONDS, _interrupt_main_thread).start()


def _interrupt_main_thread() -> None:
    if sys.platform == "win32":
        _thread.interrupt_main()
    else:  # This also ends a call that blocks, such as time.sleep().
        main = threading.main_thread().ident
        assert main is not None
        signal.pthread_kill(main, signal.SIGINT)


@pytest.hookimpl(optionalhook=True, wrapper=True)
def pytest_timeout_set_timer() -> Generator[None, object, object]:
    """Raise pytest-timeout's exception in the test's greenlet, instead of where the signal arrives."""
    result = yield
    if hasattr(signal, "SIGALRM"):
        handler = signal.getsignal(signal.SIGALRM)
        if callable(handler):
            signal.signal(signal.SIGALRM, functools.partial(_on_timeout, handler))
    return result


def _on_timeout(
    handler: Callable[[int, FrameType | None], Any], signal_number: int, frame: FrameType | None
) -> None:
    try:
        handler(signal_number, frame)
    except BaseException as error:  # pytest.fail() does not raise an Exception.
        time_out_again = functools.partial(signal.setitimer, signal.ITIMER_REAL, _DELIVER_AGAIN_SECONDS)
        _raise_in_test(error, time_out_again, ends_run=False)


def _raise_in_test(error: BaseException, deliver_again: Callable[[], object], *, ends_run: bool) -> None:
    """Raise an error in the test's greenlet, so that the event loop survives."""
    main = greenlet.getcurrent()
    if main.parent is None:
        setattr(error, _DELIVER_AGAIN_ATTRIBUTE, deliver_again)
        _watch_ignored_exceptions()
        raise error
    while main.parent is not None:
        main = main.parent
    loop = asyncio.get_running_loop()

    def switch_to_test() -> None:
        # A call that the test waited for would wake it later, while it waits for another call.
        for task in asyncio.all_tasks(loop):
            if hasattr(task, _CALL_ATTRIBUTE):
                task.cancel()
        # The run is over; failures of canceled tasks do not matter. By default asyncio logs them with a
        # traceback when garbage is collected, which breaks a parse that is running at that moment
        # (CPython 3.11: "AST constructor recursion depth mismatch").
        if ends_run:
            loop.set_exception_handler(lambda loop, context: None)
        main.throw(error)

    # This code runs inside the loop. Its next callback switches to the test's greenlet; the loop continues
    # when the test makes its next call.
    loop.call_soon_threadsafe(switch_to_test)


def _watch_ignored_exceptions() -> None:
    """Deliver a signal again whose exception Python ignores."""
    if isinstance(sys.unraisablehook, _UnraisableHook):
        return
    sys.unraisablehook = _UnraisableHook(sys.unraisablehook)


class _UnraisableHook:
    def __init__(self, previous: Callable[[Any], object]) -> None:
        self._previous = previous

    def __call__(self, unraisable: Any) -> None:
        deliver_again = getattr(unraisable.exc_value, _DELIVER_AGAIN_ATTRIBUTE, None)
        if deliver_again is None:
            self._previous(unraisable)
        else:
            deliver_again()


def _restore_handler(handler: Callable[[int, FrameType | None], None]) -> None:
    if signal.getsignal(signal.SIGINT) in (handler, signal.SIG_IGN):
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def _start_subprocesses_in_new_sessions(config: pytest.Config) -> Iterator[None]:
    native = asyncio.create_subprocess_exec

    async def start(*arguments: Any, **options: Any) -> asyncio.subprocess.Process:
        _wake_on_signals(asyncio.get_running_loop(), config)
        return await native(*arguments, **options, start_new_session=True)

    asyncio.create_subprocess_exec = start
    try:
        yield
    finally:
        asyncio.create_subprocess_exec = native


def _wake_on_signals(loop: asyncio.AbstractEventLoop, config: pytest.Config) -> None:
    """Let every signal wake this loop until the end of the run."""
    if threading.current_thread() is not threading.main_thread():
        return
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    # The signal's number is written by C code, also when another thread receives the signal.
    loop.add_reader(reader, _drain, reader)
    previous = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)

    def restore() -> None:
        signal.set_wakeup_fd(previous)
        reader.close()
        writer.close()

    config.add_cleanup(restore)


def _drain(reader: socket.socket) -> None:
    with suppress(BlockingIOError):
        reader.recv(4096)
