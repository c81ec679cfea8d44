"""Contexts: each is a session of its own, with its own processes and storage."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from playwright.sync_api import BrowserContext, Page
from playwright.sync_api import Error as PlaywrightError

from pytest_sharedworker.webkitgtk.events import Listeners
from pytest_sharedworker.webkitgtk.page import WebKitGtkPage, to_milliseconds
from pytest_sharedworker.webkitgtk.session import Session
from pytest_sharedworker.webkitgtk.unsupported import Refusal, refuse_options

if TYPE_CHECKING:
    from pytest_sharedworker.webkitgtk.browser import WebKitGtkBrowser


class _NoTracing(Refusal):
    """Traces are not recorded; pytest-playwright stops them in every test."""

    def stop(self, **options: Any) -> None:
        """Do nothing."""


class WebKitGtkContext(Listeners, BrowserContext):
    """A session that starts with the first page. It reports `page` and `close`, no other event.

    `document_scripts` run first in its documents where a gateway serves them: WebDriver has no init scripts.
    """

    def __init__(self, browser: WebKitGtkBrowser, options: dict[str, Any]) -> None:
        """Take `base_url`, `proxy` and `ignore_https_errors`. Raise UnsupportedError for other options."""
        Listeners.__init__(self)
        self._impl_obj = Refusal("context")
        self._browser = browser
        options = {name: value for name, value in options.items() if value is not None}
        self.base_url: str = options.pop("base_url", "")
        self._arguments = _make_arguments(
            options.pop("proxy", None), options.pop("ignore_https_errors", False)
        )
        refuse_options("browser.new_context", options)
        self.document_scripts: list[str] = []
        self._session: Session | None = None
        self._pages: list[WebKitGtkPage] = []
        self._is_closed = False
        self._timeout_ms: float | None = None
        self._tracing = _NoTracing("context.tracing")

    @property
    def browser(self) -> WebKitGtkBrowser:
        """The browser that it belongs to."""
        return self._browser

    @property
    def pages(self) -> list[Page]:
        """The open pages."""
        return list(self._pages)

    @property
    def tracing(self) -> Any:
        """Traces, which can be stopped only."""
        return self._tracing

    def new_page(self) -> WebKitGtkPage:
        """Open a window."""
        if self._is_closed:
            raise PlaywrightError("BrowserContext.new_page: Target page, context or browser has been closed")
        if self._session is None:
            self._session = self._browser._start_session(self._arguments)
        page = WebKitGtkPage(self, self._session, self._session.open_window())
        self._pages.append(page)
        self._emit("page", page)
        return page

    def add_init_script(self, script: str | None = None, *, path: str | Path | None = None) -> Any:
        """Run a script first in the documents that a watched gateway serves to this context."""
        text = Path(path).read_text(encoding="utf-8") if path is not None else script
        if text is None:
            raise PlaywrightError("Either path or script parameter must be specified")
        self.document_scripts.append(text)
        return nullcontext()

    def set_default_timeout(self, timeout: Any) -> None:
        """Set how long a wait takes at most."""
        self._timeout_ms = to_milliseconds(timeout)

    def close(self, *, reason: str | None = None) -> None:
        """Close all pages and end the session. Idempotent."""
        self._end()

    def _end(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        self._browser._forget(self)
        pages = self._pages[:]
        try:
            for page in pages:
                with suppress(PlaywrightError):
                    page.close()
        finally:  # Also after Ctrl-C.
            if self._session is not None:
                self._session.close()
        for page in pages:  # Those of a browser that is gone.
            page._note_closed()
        self._emit("close", self)

    def _forget(self, page: WebKitGtkPage) -> None:
        self._pages = [each for each in self._pages if each is not page]

    def __repr__(self) -> str:
        return f"<BrowserContext of WebKitGTK, {len(self._pages)} pages>"

    __str__ = __repr__


def _make_arguments(proxy: dict[str, str] | None, ignore_https_errors: bool) -> list[str]:
    """Return the browser's arguments for these options.

    WebDriver's own capabilities for them would speak TLS to the proxy of https requests.
    """
    arguments = ["--ignore-tls-errors"] if ignore_https_errors else []
    if proxy is not None:
        unknown = proxy.keys() - {"server", "bypass"}
        refuse_options("browser.new_context", [f"proxy.{name}" for name in unknown])
        server = proxy["server"]
        arguments.append(f"--proxy={server if '://' in server else f'http://{server}'}")
        arguments += [f"--ignore-host={host.strip()}" for host in proxy.get("bypass", "").split(",") if host]
    return arguments
