"""The browser type and the browser: they start the sessions of contexts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from playwright.sync_api import Browser, BrowserContext, BrowserType
from playwright.sync_api import Error as PlaywrightError

from pytest_sharedworker.errors import BrowserNotFoundError
from pytest_sharedworker.webkitgtk.context import WebKitGtkContext
from pytest_sharedworker.webkitgtk.display import VirtualDisplay
from pytest_sharedworker.webkitgtk.events import Listeners
from pytest_sharedworker.webkitgtk.page import WebKitGtkPage
from pytest_sharedworker.webkitgtk.session import Session
from pytest_sharedworker.webkitgtk.unsupported import Refusal, refuse_options

NAME = "webkit"

_ENVIRONMENT = {
    # GTK must not start helpers that outlive the browser, nor read or write a person's settings.
    "DBUS_SESSION_BUS_ADDRESS": "disabled:",
    "GIO_USE_VFS": "local",
    "GSETTINGS_BACKEND": "memory",
    "GDK_BACKEND": "x11",
    "NO_AT_BRIDGE": "1",
}

_NO_SELENIUM = (
    "WebKitGTK is driven by selenium, which is not installed: run `pip install 'pytest-sharedworker[webkit]'`"
)


class WebKitGtkBrowserType(BrowserType):
    """WebKitGTK in place of Playwright's WebKit."""

    def __init__(self) -> None:
        self._impl_obj = Refusal("browser_type")

    @property
    def name(self) -> str:
        """The name of Playwright's WebKit: it is the same engine."""
        return NAME

    def launch(self, **options: Any) -> WebKitGtkBrowser:
        """Return a browser that starts WebKitWebDriver at `executable_path` for each context.

        Without `headless` set to False, its windows open on a display of its own. Raise BrowserNotFoundError
        if something is not installed, UnsupportedError for other options of Playwright.
        """
        executable = options.pop("executable_path", "WebKitWebDriver")
        headless = options.pop("headless", None)
        environment = options.pop("env", None)
        arguments = options.pop("args", None) or ()
        for name in ("channel", "timeout"):
            options.pop(name, None)
        refuse_options("browser_type.launch", (name for name, value in options.items() if value is not None))
        try:
            import selenium  # noqa: F401
        except ImportError:
            raise BrowserNotFoundError(_NO_SELENIUM) from None
        display = VirtualDisplay() if headless in (None, True) else None
        if display is None and not os.environ.get("DISPLAY"):
            raise BrowserNotFoundError(
                "a headed WebKitGTK needs an X display: set DISPLAY, or run without --headed"
            )
        environment = {**(environment or os.environ), **_ENVIRONMENT}
        return WebKitGtkBrowser(self, str(executable), arguments, display, environment)

    def __repr__(self) -> str:
        return "<BrowserType name=webkit (WebKitGTK)>"

    __str__ = __repr__


class WebKitGtkBrowser(Listeners, Browser):
    """All contexts of one run. There is no process without a context."""

    def __init__(
        self,
        browser_type: WebKitGtkBrowserType,
        executable: str,
        arguments: Sequence[str],
        display: VirtualDisplay | None,
        environment: dict[str, str],
    ) -> None:
        Listeners.__init__(self)
        self._impl_obj = Refusal("browser")
        self._browser_type = browser_type
        self._executable = executable
        self._arguments = arguments
        self._display = display
        self._environment = environment | ({} if display is None else {"DISPLAY": display.name})
        self._contexts: list[WebKitGtkContext] = []
        self._is_connected = True
        self._version = ""

    @property
    def browser_type(self) -> WebKitGtkBrowserType:
        """The type of this browser."""
        return self._browser_type

    @property
    def contexts(self) -> list[BrowserContext]:
        """The open contexts."""
        return list(self._contexts)

    @property
    def version(self) -> str:
        """The version of WebKitGTK, once a page was opened."""
        return self._version

    def is_connected(self) -> bool:
        """Return whether it has not been closed."""
        return self._is_connected

    def new_context(self, **options: Any) -> WebKitGtkContext:
        """Return a context. Raise UnsupportedError for options that WebDriver does not have."""
        if not self._is_connected:
            raise PlaywrightError("Browser.new_context: Target page, context or browser has been closed")
        context = WebKitGtkContext(self, options)
        self._contexts.append(context)
        return context

    def new_page(self, **options: Any) -> WebKitGtkPage:
        """Open a page in a context of its own, which ends together with it."""
        context = self.new_context(**options)
        page = context.new_page()
        page.once("close", lambda _: context.close())
        return page

    def close(self, *, reason: str | None = None) -> None:
        """Close all contexts and the display. Idempotent."""
        if not self._is_connected:
            return
        self._is_connected = False
        try:
            for context in self._contexts[:]:
                context._end()  # pytest-playwright puts a function of its own in the place of `close`.
        finally:
            if self._display is not None:
                self._display.close()
        self._emit("disconnected", self)

    def _start_session(self, arguments: Sequence[str]) -> Session:
        session = Session(self._executable, self._environment, [*self._arguments, *arguments])
        self._version = session.version
        return session

    def _forget(self, context: WebKitGtkContext) -> None:
        self._contexts = [each for each in self._contexts if each is not context]

    def __repr__(self) -> str:
        return f"<Browser type=webkit (WebKitGTK) version={self._version or 'unknown'}>"

    __str__ = __repr__
