"""Why a worker did not start: what tabs, the journal and DevTools know of its script."""

from __future__ import annotations

from contextlib import suppress

from pytest_sharedworker.control.session import WorkerRegistry
from pytest_sharedworker.devtools.connections import DevToolsConnections
from pytest_sharedworker.errors import UnsupportedError, WorkerClosedError
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.tabs.pages import Tabs

_END_SECONDS = 1.0
"""How long the end of a script's exchange is waited for."""

_UNKNOWN = "a syntax error, a failed import, or a module started without {type: 'module'}"


class FailedStarts:
    """The workers of one test that never ran, each with what is known of why."""

    def __init__(
        self, tabs: Tabs, gateway: Gateway, registry: WorkerRegistry, bridges: DevToolsConnections
    ) -> None:
        self._tabs = tabs
        self._gateway = gateway
        self._registry = registry
        self._bridges = bridges

    def reported_by_pages(self, url: str = "*", name: str | None = None) -> list[str]:
        """A line for each whose error a tab was told, of those whose URL and name answer this."""
        return [f"{each}: {self._why(each)}" for each in self._tabs.failed_scripts(url, name)]

    def silent(self) -> list[str]:
        """A line for each script behind a prologue that was asked for and never ran.

        In these cases the browser may have told the tab nothing.
        """
        started = {session.url.partition("?")[0] for session in self._registry.sessions}
        silent = [url for url in self._gateway.worker_script_urls if url not in started]
        return [f"{url}: {self._why(url)}" for url in silent]

    def _why(self, url: str) -> str:
        asked = [exchange for exchange in self._gateway.journal if exchange.url == url]
        if not asked:
            return (
                "its script was not asked for here; is it of another origin, does a Content-Security-Policy"
                " (worker-src) forbid it, or is the gateway down?"
            )
        script = asked[-1]
        # A browser may tell the tab as soon as it has seen the headers, before they are written down here.
        self._gateway.journal.wait_for_end(script, timeout_seconds=_END_SECONDS)
        if script.status is None:
            return "its script got no answer (see the toxics in the journal)"
        if script.status >= 300:
            return f"its script was answered with {script.status}; mount it, or mend the URL"
        content_type = script.response_headers.get("Content-Type", "")
        if "javascript" not in content_type:
            return f"its script has the type {content_type!r}; a browser runs text/javascript only"
        return f"its script was served but does not run: {self._syntax_error(url) or _UNKNOWN}"

    def _syntax_error(self, url: str) -> str | None:
        with suppress(UnsupportedError):
            for target in self._bridges.targets():
                if target.url == url:
                    with suppress(WorkerClosedError):
                        attached = target.cdp.attach(target)
                        target.cdp.pump()
                        attached.detach()
                        if attached.errors:
                            return str(attached.errors[0])
        return None
