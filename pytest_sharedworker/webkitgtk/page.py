"""Pages and frames: windows of a session, and the documents in them."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urljoin

from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Frame, Page
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from pytest_sharedworker.webkitgtk.events import Listeners
from pytest_sharedworker.webkitgtk.session import NAVIGATION_TIMEOUT_MS, FramePath, Session
from pytest_sharedworker.webkitgtk.unsupported import Refusal, refuse_options

if TYPE_CHECKING:
    from selenium.webdriver.remote.webdriver import WebDriver

    from pytest_sharedworker.webkitgtk.context import WebKitGtkContext

BLANK = "about:blank"
DEFAULT_TIMEOUT_MS = 30_000.0
_POLL_SECONDS = 0.01
_BLANK_SECONDS = 2.0
"""How long a page may stay blank after WebDriver has opened a URL."""
_LOADED = {
    "domcontentloaded": ("interactive", "complete"),
    "load": ("complete",),
    "commit": ("loading", "complete"),
}

T = TypeVar("T")


class Value:
    """What `wait_for_function` returns instead of a handle in the browser."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def json_value(self) -> Any:
        """Return the value."""
        return self._value


class WebKitGtkFrame(Frame):
    """A document: that of a page, or of a frame in it, which its position names."""

    def __init__(self, page: WebKitGtkPage, path: FramePath) -> None:
        self._impl_obj = Refusal("frame")
        self._page = page
        self._path = path

    @property
    def page(self) -> WebKitGtkPage:
        """The page that it is in."""
        return self._page

    @property
    def url(self) -> str:
        """The URL of its document."""
        return str(self.evaluate("location.href"))

    @property
    def name(self) -> str:
        """Its name in the page."""
        return str(self.evaluate("window.name"))

    @property
    def parent_frame(self) -> WebKitGtkFrame | None:
        """The frame that it is in; None for the main frame."""
        return WebKitGtkFrame(self._page, self._path[:-1]) if self._path else None

    @property
    def child_frames(self) -> list[Frame]:
        """The frames in it."""
        count = self.evaluate("window.length")
        return [WebKitGtkFrame(self._page, (*self._path, index)) for index in range(count)]

    def is_detached(self) -> bool:
        """Return whether its page is closed or has no frame at its position any more."""
        try:
            self.evaluate("0")
        except PlaywrightError:
            return True
        return False

    def evaluate(self, expression: str, arg: Any | None = None) -> Any:
        """Evaluate JavaScript in the document. Raise Playwright's Error."""
        return self._page._evaluate(self._path, expression, arg, method="Frame.evaluate")

    def wait_for_function(self, expression: str, **options: Any) -> Any:
        """Evaluate until the value is truthy; its `json_value()` is the result."""
        return self._page._wait_for_function(self._path, "Frame.wait_for_function", expression, **options)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WebKitGtkFrame) and (self._page, self._path) == (other._page, other._path)

    def __hash__(self) -> int:
        return hash((self._page, self._path))

    def __repr__(self) -> str:
        return f"<Frame {'.'.join(map(str, self._path)) or 'main'} of {self._page!r}>"

    __str__ = __repr__


class WebKitGtkPage(Listeners, Page):
    """A window of a session. Its events are `close` and, for once or never, no other."""

    def __init__(self, context: WebKitGtkContext, session: Session, handle: str) -> None:
        Listeners.__init__(self)
        self._impl_obj = Refusal("page")
        self._context = context
        self._session = session
        self._handle = handle
        self._is_closed = False
        self._timeout_ms: float | None = None

    # --- what it is -------------------------------------------------------------------------------

    @property
    def context(self) -> WebKitGtkContext:
        """The context that it belongs to."""
        return self._context

    @property
    def main_frame(self) -> WebKitGtkFrame:
        """The frame of the page's own document."""
        return WebKitGtkFrame(self, ())

    @property
    def frames(self) -> list[Frame]:
        """The main frame, and all frames in it."""
        found: list[Frame] = []
        waiting: list[Frame] = [self.main_frame]
        while waiting:
            frame = waiting.pop(0)
            found.append(frame)
            try:
                waiting += frame.child_frames
            except PlaywrightError:  # A frame that is just being closed, or a page without a document.
                continue
        return found

    @property
    def url(self) -> str:
        """The URL of its document."""
        if self._is_closed:
            return BLANK
        return self._call("Page.url", lambda driver: str(driver.current_url))

    @property
    def video(self) -> None:
        """Videos are not recorded."""
        return None

    def title(self) -> str:
        """Return the document's title."""
        return self._call("Page.title", lambda driver: str(driver.title))

    def content(self) -> str:
        """Return the document as HTML."""
        return self._call("Page.content", lambda driver: str(driver.page_source))

    def is_closed(self) -> bool:
        """Return whether it has been closed."""
        return self._is_closed

    def screenshot(self, **options: Any) -> bytes:
        """Return a picture of the window as PNG, and write it to `path` if that is given."""
        path = options.pop("path", None)
        for name in ("timeout", "type", "full_page"):  # Where the value is that of pytest-playwright.
            if options.get(name) in (None, False, "png") or name == "timeout":
                options.pop(name, None)
        refuse_options("page.screenshot", options)
        picture = self._call("Page.screenshot", lambda driver: bytes(driver.get_screenshot_as_png()))
        if path is not None:
            Path(path).write_bytes(picture)
        return picture

    # --- navigation -------------------------------------------------------------------------------

    def goto(self, url: str, **options: Any) -> None:
        """Open a URL and wait until it has loaded, whatever `wait_until` says. Return no response.

        Raise Playwright's Error if the server cannot be reached.
        """
        timeout = self._read_navigation_options("goto", options)
        target = urljoin(self._context.base_url, url) if self._context.base_url else url

        def open_url(driver: WebDriver) -> bool:
            driver.set_page_load_timeout(timeout / 1000)
            driver.get(target)
            return _wait_until_loaded(driver, timeout, may_be_blank=target == BLANK)

        if not self._call("Page.goto", open_url):
            raise PlaywrightError(f"Page.goto: the page at {target} cannot be reached")

    def reload(self, **options: Any) -> None:
        """Load the document again and wait until it has loaded."""
        self._read_navigation_options("reload", options)
        self._call("Page.reload", lambda driver: driver.refresh())

    def go_back(self, **options: Any) -> None:
        """Go to the previous document in the history."""
        self._read_navigation_options("go_back", options)
        self._call("Page.go_back", lambda driver: driver.back())

    def go_forward(self, **options: Any) -> None:
        """Go to the next document in the history."""
        self._read_navigation_options("go_forward", options)
        self._call("Page.go_forward", lambda driver: driver.forward())

    def wait_for_load_state(self, state: Any = None, **options: Any) -> None:
        """Wait until the document has been parsed, or has loaded."""
        states = _LOADED.get(state or "load")
        if states is None:
            refuse_options("page.wait_for_load_state", [str(state)])
        self.wait_for_function("(states) => states.includes(document.readyState)", arg=states, **options)

    def set_content(self, html: str, **options: Any) -> None:
        """Write the document anew."""
        self._read_navigation_options("set_content", options)
        self.evaluate("(html) => { document.open(); document.write(html); document.close(); }", html)

    # --- JavaScript -------------------------------------------------------------------------------

    def evaluate(self, expression: str, arg: Any | None = None) -> Any:
        """Evaluate JavaScript in the page's document. Raise Playwright's Error."""
        return self._evaluate((), expression, arg, method="Page.evaluate")

    def wait_for_function(self, expression: str, **options: Any) -> Any:
        """Evaluate until the value is truthy; its `json_value()` is the result."""
        return self._wait_for_function((), "Page.wait_for_function", expression, **options)

    def wait_for_timeout(self, timeout: Any) -> None:
        """Wait so many milliseconds of real time."""
        time.sleep(to_milliseconds(timeout) / 1000)

    # --- its end and options ----------------------------------------------------------------------

    def close(self, **options: Any) -> None:
        """Close the window. Idempotent."""
        options.pop("reason", None)
        if options.pop("run_before_unload", None):
            options["run_before_unload"] = True
        refuse_options("page.close", options)
        if not self._is_closed:
            self._session.close_window(self._handle)
            self._note_closed()

    def set_default_timeout(self, timeout: Any) -> None:
        """Set how long a wait takes at most."""
        self._timeout_ms = to_milliseconds(timeout)

    def _note_closed(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._context._forget(self)
            self._emit("close", self)

    def _read_navigation_options(self, method: str, options: dict[str, Any]) -> float:
        timeout = options.pop("timeout", None)
        options.pop("wait_until", None)
        refuse_options(f"page.{method}", options)
        return NAVIGATION_TIMEOUT_MS if timeout is None else to_milliseconds(timeout)

    def _call(self, method: str, action: Callable[[WebDriver], T]) -> T:
        self._require_open(method)
        return self._session.call(self._handle, (), method, action)

    def _evaluate(self, path: FramePath, expression: str, arg: Any, **options: Any) -> Any:
        self._require_open(options["method"])
        return self._session.evaluate(self._handle, path, expression, arg, **options)

    def _wait_for_function(
        self,
        path: FramePath,
        method: str,
        expression: str,
        *,
        arg: Any = None,
        timeout: Any = None,
        polling: Any = None,
    ) -> Value:
        limit = self._timeout_ms or self._context._timeout_ms or DEFAULT_TIMEOUT_MS
        if timeout is not None:
            limit = to_milliseconds(timeout)
        deadline = time.monotonic() + limit / 1000 if limit else float("inf")
        while (left := deadline - time.monotonic()) > 0:
            try:
                value = self._evaluate(
                    path, expression, arg, method=method, timeout=min(left * 1000, limit or 1e6)
                )
            except PlaywrightTimeoutError:
                continue
            if value:
                return Value(value)
            time.sleep(_POLL_SECONDS)
        raise PlaywrightTimeoutError(f"{method}: Timeout {limit:g}ms exceeded.")

    def _require_open(self, method: str) -> None:
        if self._is_closed:
            raise PlaywrightError(f"{method}: Target page, context or browser has been closed")

    def __repr__(self) -> str:
        return f"<Page {self._handle}{' (closed)' if self._is_closed else ''}>"

    __str__ = __repr__


def _wait_until_loaded(driver: WebDriver, timeout: float, *, may_be_blank: bool) -> bool:
    """Wait until a document has loaded; return False if none comes. Raise TimeoutError after `timeout` ms.

    WebDriver may return as soon as the empty document of a new window has loaded, and does not report that a
    server cannot be reached: the page stays blank then.
    """
    started = time.monotonic()
    while True:
        # Not `current_url`, which may be the one that is still to come.
        url, state = driver.execute_script("return [location.href, document.readyState]")
        seconds = time.monotonic() - started
        if state == "complete":
            if url != BLANK or may_be_blank:
                return True
            if seconds > _BLANK_SECONDS:
                return False
        if seconds * 1000 > timeout > 0:
            raise PlaywrightTimeoutError(f"Page.goto: Timeout {timeout:g}ms exceeded.")
        time.sleep(_POLL_SECONDS)


def to_milliseconds(timeout: float | timedelta) -> float:
    """Return a timeout as Playwright takes it in milliseconds."""
    return timeout.total_seconds() * 1000 if isinstance(timeout, timedelta) else float(timeout)
