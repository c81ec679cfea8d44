"""Explain why a worker did not start, from pages, journal and DevTools."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from pytest_sharedworker.control.session import WorkerRegistry
from pytest_sharedworker.devtools.connections import DevToolsConnections
from pytest_sharedworker.errors import UnsupportedError, WorkerClosedError
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.tabs.pages import Tabs

_END_SECONDS = 1.0
"""How long to wait for the end of the script's exchange."""

_POSSIBLE_REASONS = "a syntax error, a failed import, or a module started without {type: 'module'}"

_OTHER_OPTIONS = (
    "a worker of this URL and name runs, so the tab asks for other options: type, credentials and"
    " extendedLifetime must be the same wherever it is started"
)
"""Of HTML's constructor of a SharedWorker: where they differ, the new one gets an error event."""


class FailedStarts:
    """The workers of one test that did not start, each with the reason."""

    def __init__(
        self, tabs: Tabs, gateway: Gateway, registry: WorkerRegistry, connections: DevToolsConnections
    ) -> None:
        self._tabs = tabs
        self._gateway = gateway
        self._registry = registry
        self._connections = connections

    def reported_by_pages(self, matches: Callable[[str, str], bool] = lambda url, name: True) -> list[str]:
        """Return a line for each worker with this URL and name that a page reports as failed."""
        return [
            f"{url}: {_OTHER_OPTIONS if self._is_running(url, name) else self._explain(url)}"
            for url, name in self._tabs.get_failed_workers(matches)
        ]

    def _is_running(self, url: str, name: str) -> bool:
        is_same = self._gateway._script_urls.is_same
        return any(
            each.name == name and not each.ended and is_same(url, each.url)
            for each in self._registry.channels
        )

    def never_started(self) -> list[str]:
        """Return a line for each script with a prologue that was requested and did not run.

        In these cases the browser may not have notified the page.
        """
        resolve = self._gateway._script_urls.resolve
        started = {resolve(session.url).partition("?")[0] for session in self._registry.channels}
        never_started = [url for url in self._gateway._worker_script_urls if url not in started]
        return [f"{url}: {self._explain(url)}" for url in never_started]

    def hidden(self) -> list[str]:
        """Return a line for each script that tabs are connected to and that runs without a prologue."""
        is_same = self._gateway._script_urls.is_same
        urls = {port.url: None for tab in self._tabs.read() for port in tab.ports}
        hidden = [url for url in urls if not any(is_same(url, each.url) for each in self._registry.channels)]
        return [f"{url}: a tab is connected to it; {self._explain_hidden(url)}" for url in hidden]

    def _explain_hidden(self, url: str) -> str:
        url = self._gateway._origin.normalize(url)
        path = url.removeprefix(self._gateway.url)
        requests = [exchange for exchange in self._gateway.journal if exchange.url == url]
        if any(exchange.request_headers.get("Sec-Fetch-Dest") == "empty" for exchange in requests):
            return (
                "a service worker fetched its script, which the gateway did not recognize as a worker's:"
                f" call gateway.add_worker_script({path!r})"
            )
        if requests:
            return "the gateway did not serve its script as a worker's; is it in a cache?"
        scheme = url.partition(":")[0]
        if scheme in ("blob", "data"):
            return (
                f"the page could not put the prologue in front of its {scheme}: script; is the page of"
                " another origin, does it enforce trusted types, does a Content-Security-Policy in a <meta>"
                " forbid requests to the gateway, or a Permissions-Policy synchronous ones (sync-xhr)?"
            )
        return (
            "the gateway received no request for its script; is it of another origin, in a cache of a service"
            " worker, or fulfilled by page.route or context.route? Serve it by gateway.serve or gateway.route"
        )

    def _explain(self, url: str) -> str:
        requests = [exchange for exchange in self._gateway.journal if exchange.url == url]
        if url.startswith(("blob:", "data:")):
            return "is its URL revoked, or does a Content-Security-Policy (worker-src) forbid it?"
        if not requests:
            return (
                "the gateway received no request for its script; is the script of another origin, does a"
                " Content-Security-Policy (worker-src) forbid it, or is the gateway down?"
            )
        script = requests[-1]
        # A browser may notify the page as soon as it has the headers, before the exchange ends here.
        self._gateway.journal.wait_for_end(script, timeout=_END_SECONDS * 1000)
        if script.status is None:
            return "its script got no response (see the toxics in the journal)"
        if script.status >= 300:
            return f"the response to its script is {script.status}; serve the script, or correct the URL"
        content_type = script.response_headers.get("Content-Type", "")
        if "javascript" not in content_type:
            return f"its script has the type {content_type!r}; browsers run text/javascript only"
        return f"its script was served but did not run: {self._find_syntax_error(url) or _POSSIBLE_REASONS}"

    def _find_syntax_error(self, url: str) -> str | None:
        with suppress(UnsupportedError):
            for target in self._connections.list_targets():
                if target.url == url:
                    with suppress(WorkerClosedError):
                        session = self._connections.attach(target, replays=True)
                        session.pump()
                        session.detach()
                        if session.errors:
                            return str(session.errors[0])
        return None
