"""One WebDriver session: a WebKitWebDriver process, its browser, and commands to it.

WebKitWebDriver holds one session at a time, so that each has a process of its own. A session's storage is in
memory and ends with it.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from pytest_sharedworker.control.values import serialize_argument
from pytest_sharedworker.webkitgtk.display import end_with_parent
from pytest_sharedworker.webkitgtk.evaluation import make_script, make_statements_script, read_result

if TYPE_CHECKING:
    from selenium.webdriver.remote.webdriver import WebDriver

_ARGUMENTS = (
    "--automation",
    # Playwright disables it too: a page that was left would keep its worker, suspended.
    "--enable-page-cache=false",
)

START_SECONDS = 30
"""How long a driver may take until it listens, and then until its browser has connected to it.

Rarely a browser never does: driver and browser each choose a free port that another process may take first.
"""
_START_ATTEMPTS = 3
_POLL_SECONDS = 0.01
_END_SECONDS = 5.0
_COMMAND_SECONDS = 150
"""How long the connection to the driver waits; longer than any command of the driver takes."""

NAVIGATION_TIMEOUT_MS = 30_000.0
EVALUATE_TIMEOUT_MS = 120_000.0

T = TypeVar("T")
FramePath = tuple[int, ...]
"""The way to a document from its window: the index of a frame at each level."""


class Session:
    """A browser of its own, with windows that share its storage."""

    def __init__(
        self,
        executable: str,
        environment: Mapping[str, str],
        arguments: Sequence[str],
    ) -> None:
        """Start driver and browser, this one with `arguments`. Raise Playwright's Error where that fails."""
        self._arguments = (*_ARGUMENTS, *arguments)
        for attempt in range(1, _START_ATTEMPTS + 1):
            try:
                self._driver = self._start(executable, environment)
                break
            except PlaywrightError:
                # See START_SECONDS; another process may even answer on the port.
                if attempt == _START_ATTEMPTS:
                    raise
        self._is_usable = True
        self._script_timeout_ms = 0.0
        self._current: tuple[str, FramePath] = (self._driver.current_window_handle, ())
        self._keeper = self._current[0]
        """The first window stays open: WebDriver ends a session with its last window."""

    @property
    def version(self) -> str:
        """The browser's version."""
        return str(self._driver.capabilities["browserVersion"])

    # --- windows ----------------------------------------------------------------------------------

    def open_window(self) -> str:
        """Open a window and return its handle.

        Not a tab: those behind another one would be hidden (`document.visibilityState`).
        """

        def open_window() -> str:
            self._select(self._keeper)
            self._driver.switch_to.new_window("window")
            return str(self._driver.current_window_handle)

        handle = self._run("BrowserContext.new_page", open_window)
        self._current = (handle, ())
        return handle

    def close_window(self, handle: str) -> None:
        """Close a window; its page gets the events of a closed tab."""

        def close_window() -> None:
            self._select(handle)
            self._driver.close()

        self._run("Page.close", close_window)

    def call(self, handle: str, path: FramePath, method: str, action: Callable[[WebDriver], T]) -> T:
        """Run `action` in a window, or in a frame of it. Raise Playwright's errors for `method`."""

        def call() -> T:
            self._select(handle, path)
            return action(self._driver)

        return self._run(method, call)

    def evaluate(
        self,
        handle: str,
        path: FramePath,
        expression: str,
        argument: object,
        *,
        method: str,
        timeout: float = EVALUATE_TIMEOUT_MS,
    ) -> Any:
        """Evaluate JavaScript in a document. Raise Playwright's errors; TimeoutError after `timeout` ms."""
        from selenium.common.exceptions import JavascriptException

        wire = json.dumps(_make_numbers(serialize_argument(argument)))

        def evaluate(driver: WebDriver) -> Any:
            if timeout != self._script_timeout_ms:
                driver.set_script_timeout(timeout / 1000)
                self._script_timeout_ms = timeout
            try:
                return driver.execute_async_script(make_script(expression), wire)
            except JavascriptException:
                # What the script throws it reports itself: only its syntax was wrong.
                return driver.execute_async_script(make_statements_script(expression), wire)

        result = self.call(handle, path, method, evaluate)
        return read_result(result, method)

    def _select(self, handle: str, path: FramePath = ()) -> None:
        if self._current == (handle, path):
            return
        # Where one of these fails, nothing is selected.
        before, self._current = self._current, ("", ())
        if before[0] != handle or not path:
            self._driver.switch_to.window(handle)
        if path or before[1]:
            self._driver.switch_to.default_content()
        for index in path:
            self._driver.switch_to.frame(index)
        self._current = (handle, path)

    def _run(self, method: str, action: Callable[[], T]) -> T:
        from selenium.common.exceptions import TimeoutException, WebDriverException

        if not self._is_usable:
            raise PlaywrightError(f"{method}: the browser has ended")
        try:
            return action()
        except TimeoutException as error:
            raise PlaywrightTimeoutError(f"{method}: {error.msg}") from None
        except WebDriverException as error:
            self._current = ("", ())
            raise PlaywrightError(f"{method}: {error.msg}") from None
        except PlaywrightError:
            raise
        except BaseException as error:
            # Ctrl-C, a test's timeout, or a browser that is gone: the driver may still be busy.
            self._is_usable = False
            if isinstance(error, Exception):
                raise PlaywrightError(f"{method}: the connection to the browser is lost: {error}") from error
            raise

    # --- begin and end ----------------------------------------------------------------------------

    def close(self) -> None:
        """End the session and its processes. Idempotent."""
        if self._is_usable:
            with suppress(PlaywrightError):
                self._run("BrowserContext.close", self._driver.quit)
        self._is_usable = False
        self.kill()

    def kill(self) -> None:
        """Kill all processes of the session. Idempotent."""
        self._is_usable = False
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(_END_SECONDS)

    def _start(self, executable: str, environment: Mapping[str, str]) -> WebDriver:
        port = _find_free_port()
        self._process = subprocess.Popen(
            [*end_with_parent(), executable, f"--port={port}"],
            env={**environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # A group of its own, with the browser: `kill` ends all of it.
        )
        try:
            if not self._wait_for_port(port):
                raise PlaywrightError(f"{executable} does not start")
            return self._connect(port)
        except BaseException as error:
            self.kill()
            if isinstance(error, Exception) and not isinstance(error, PlaywrightError):
                raise PlaywrightError(f"WebKitGTK does not start: {error}") from error
            raise

    def _wait_for_port(self, port: int) -> bool:
        deadline = time.monotonic() + START_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return True
            time.sleep(_POLL_SECONDS)
        return False

    def _connect(self, port: int) -> WebDriver:
        from selenium.webdriver.remote.client_config import ClientConfig
        from selenium.webdriver.remote.remote_connection import RemoteConnection
        from selenium.webdriver.remote.webdriver import WebDriver
        from selenium.webdriver.webkitgtk.options import Options

        options = Options()
        for argument in self._arguments:
            options.add_argument(argument)
        url = f"http://127.0.0.1:{port}"
        config = ClientConfig(url, timeout=START_SECONDS)
        driver = WebDriver(RemoteConnection(client_config=config), options=options)
        config.timeout = _COMMAND_SECONDS
        driver.set_page_load_timeout(NAVIGATION_TIMEOUT_MS / 1000)
        return driver


def _make_numbers(wire: object) -> object:
    """Return a serialized argument without BigInt: in pages, Playwright makes a number of every int."""
    if isinstance(wire, list):
        return [_make_numbers(each) for each in wire]
    if isinstance(wire, dict):
        if wire.get("type") == "bigint":
            return int(wire["value"])
        return {name: _make_numbers(value) for name, value in wire.items()}
    return wire


def _find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
