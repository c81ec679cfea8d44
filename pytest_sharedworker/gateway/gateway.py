"""The gateway: a reverse proxy that records, serves, routes and breaks HTTP traffic.

It works in every browser, for tabs and workers alike, because it acts on the wire. Each test has one origin
on a free port. Every response closes its connection: a browser repeats a request by itself when a reused
connection is reset, and a journal of a worker's own requests must not show those.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from pytest_sharedworker.browsers.remote import ProxyAddress
from pytest_sharedworker.control.server import ControlServer
from pytest_sharedworker.control.session import ControlChannel
from pytest_sharedworker.errors import GatewayError
from pytest_sharedworker.gateway.events import TimelineEvent
from pytest_sharedworker.gateway.exchange import SocketMessage
from pytest_sharedworker.gateway.exchange_control import abort_connection
from pytest_sharedworker.gateway.expected_exchange import ExpectedExchange, ExpectedMessage
from pytest_sharedworker.gateway.handlers import HandlerRunner
from pytest_sharedworker.gateway.har import write_har
from pytest_sharedworker.gateway.inline_workers import PATH as INLINE_WORKERS_PATH
from pytest_sharedworker.gateway.inline_workers import InlineWorkers
from pytest_sharedworker.gateway.journal import DEFAULT_TIMEOUT, Journal
from pytest_sharedworker.gateway.listener import Listener
from pytest_sharedworker.gateway.origins.certificates import CertificateAuthority
from pytest_sharedworker.gateway.origins.origin import GatewayOrigin
from pytest_sharedworker.gateway.origins.proxy_listener import ProxyListener
from pytest_sharedworker.gateway.origins.registry import Origins
from pytest_sharedworker.gateway.patterns import EVERYTHING, Origin, Pattern, URLMatch
from pytest_sharedworker.gateway.pipeline import Pipeline
from pytest_sharedworker.gateway.request_parser import ORIGIN, get_proxied_origin
from pytest_sharedworker.gateway.router import Handler, Router, RouteRule
from pytest_sharedworker.gateway.script_sources import ScriptSources
from pytest_sharedworker.gateway.script_urls import ScriptUrls
from pytest_sharedworker.gateway.sender import take_opener
from pytest_sharedworker.gateway.served_content import ServedContent
from pytest_sharedworker.gateway.stacks import correct_stack
from pytest_sharedworker.gateway.toxics import AppliedToxic, AppliedToxics, Stream, Toxic
from pytest_sharedworker.gateway.unhandled import UnhandledRequestPolicy, UnhandledRequests
from pytest_sharedworker.gateway.upstream import Upstream
from pytest_sharedworker.gateway.web_socket_route import WebSocketHandler, WebSocketRouter, WebSocketRule
from pytest_sharedworker.gateway.worker_scripts import WorkerScripts
from pytest_sharedworker.gateway.worker_support import AttachedWorkers, WorkerSupport
from pytest_sharedworker.injected.prologue import OWN_PREFIX
from pytest_sharedworker.integration.event_loop_thread import LoopThread
from pytest_sharedworker.source_maps.script_maps import ScriptMaps


class Gateway:
    """One origin in front of the server under test; `journal` has all that passed.

    Names with an underscore in front are for the plugin's other modules and its own tests.
    """

    def __init__(
        self,
        loop_thread: LoopThread,
        control: ControlServer,
        upstream: str | None = None,
        certificates: CertificateAuthority | None = None,
        proxy_address: ProxyAddress | None = None,
    ) -> None:
        """Make a gateway in front of the origin `upstream` (None: no server). Raise GatewayError.

        `certificates` are for the origins behind names, `proxy_address` is where their proxy listens.
        """
        self._loop_thread = loop_thread
        self._control = control
        self._origin = Origin()
        self._workers = AttachedWorkers()
        self._runner = HandlerRunner()
        self._toxics = AppliedToxics(self._origin, self._on_toxic_removed)
        self._router = Router(self._origin, self._runner)
        self._web_socket_router = WebSocketRouter(self._origin, self._runner)
        self._content = ServedContent(self._origin)
        self._unhandled = UnhandledRequests(self._runner)
        self.journal = Journal(self._origin, self._workers)
        self._upstream = Upstream(self._origin, upstream)
        self._origins = Origins(self._origin, self._content, self._upstream)
        self._scripts = WorkerScripts(self._origin, self._workers, control.port)
        """How worker scripts are served (for SharedWorkers)."""
        self._inline_workers = InlineWorkers(self._scripts, self._workers)
        self._notes: list[TimelineEvent] = []
        """When toxics and routes were added and removed."""
        self._pipeline = Pipeline(
            origin=self._origin,
            journal=self.journal,
            toxics=self._toxics,
            router=self._router,
            web_socket_router=self._web_socket_router,
            origins=self._origins,
            unhandled=self._unhandled,
            scripts=self._scripts,
            workers=self._workers,
            control=control,
            loop_thread=loop_thread,
            runner=self._runner,
        )
        self._script_urls = ScriptUrls(self._origin, self.journal, self._inline_workers.find_wrapped)
        sources = ScriptSources(loop_thread, self._origin, self.journal, self._origins)
        self._script_maps = ScriptMaps(sources.find_script, sources.fetch)
        self._listener = Listener(self._handle)
        self._proxy = ProxyListener(
            self._handle_proxied, certificates or CertificateAuthority(), proxy_address or ProxyAddress()
        )
        self._has_direct_context = False

    # --- start and stop ---------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The origin, for example `http://127.0.0.1:40123`; "" before the start."""
        return self._origin.url

    def _start(self, port: int = 0) -> str:
        """Listen on 127.0.0.1 (port 0: a free one) and return the origin. Raise GatewayError."""
        self._loop_thread.run(self._open(port))
        return self.url

    def _stop(self) -> None:
        """Close everything, also pending requests, and warn of unhandled requests. Idempotent."""
        self._loop_thread.run(self._close())
        self._unhandled.warn()

    def _attach(self, workers: WorkerSupport) -> None:
        """Connect the gateway with what manages the workers of the test."""
        self._workers.attach(workers)

    async def _open(self, port: int) -> None:
        await self._origins.open()
        try:
            self._origin.url = await self._listener.start(port)
        except BaseException:
            await self._origins.close()
            raise

    async def _close(self) -> None:
        await self._listener.refuse()
        self._pipeline.close()
        await self._origins.close()
        await self._listener.stop()
        await self._proxy.stop()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.path == INLINE_WORKERS_PATH:
            return await self._inline_workers.respond(request)
        if request.path.startswith(OWN_PREFIX):
            return self._scripts.respond_own(request)
        if not self._listener.is_open:  # Down: a browser may have connected before, ahead of need.
            abort_connection(request)
            return web.Response()
        return await self._pipeline.handle(*take_opener(request))

    async def _handle_proxied(self, request: web.Request) -> web.StreamResponse:
        origin = get_proxied_origin(request) or self.url
        port = urlsplit(origin).port
        if port == self._control.port:  # Workers reach the control channel on their own host.
            response = await self._control.respond(request)
            response.force_close()
            return response
        if self._origin.normalize(origin) == self.url:
            del request[ORIGIN]
        return await self._handle(request)

    # --- origins ----------------------------------------------------------------------------------

    def origin(
        self, url: str, *, upstream: str | None = None, ignore_https_errors: bool = False
    ) -> GatewayOrigin:
        """Put a server (`upstream`), or what is served, behind an origin such as https://app.example.test.

        Contexts that open from now on send all their requests through the gateway; call this before the first
        one, for example in a fixture that the test names before `page`, or mark the test with
        `gateway_proxy`. `ignore_https_errors` is for an upstream whose certificate no authority has signed.
        The same URL returns the same origin. Raise GatewayError.
        """
        if self._has_direct_context:
            raise GatewayError(
                f"origin({url!r}) comes too late: a context is open that does not use the gateway's proxy."
                " Mark the test with @pytest.mark.gateway_proxy, or call origin() in a fixture that the test"
                " names before page"
            )
        self._start_proxy()
        named = self._loop_thread.run(self._origins.add(url))
        if upstream is not None:
            named.set_upstream(upstream, ignore_https_errors=ignore_https_errors)
        return GatewayOrigin(self, named)

    @property
    def context_options(self) -> dict[str, Any]:
        """The options of `browser.new_context` that send a context's requests through the gateway's proxy.

        The fixtures `page`, `context` and `new_context` have them already.
        """
        self._start_proxy()
        return {
            "proxy": {"server": self._proxy.url},
            "ignore_https_errors": True,
        }

    @property
    def _has_proxy(self) -> bool:
        """Whether contexts send all their requests through the gateway."""
        return self._origin.is_proxy

    def _start_proxy(self) -> None:
        if not self._origin.is_proxy:
            if not self.url:
                raise GatewayError("the gateway has no proxy: start it first")
            self._loop_thread.run(self._proxy.start())
            self._origin.is_proxy = True

    def _note_direct_context(self) -> None:
        """Note that a context is open that does not use the proxy."""
        self._has_direct_context = True

    # --- content ----------------------------------------------------------------------------------

    def serve(
        self,
        path: str,
        body: str | bytes = "",
        *,
        content_type: str | None = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> str:
        """Serve text or bytes under a path, for every method and query; return the URL.

        The content type is guessed from the path, then from the text, where none is given. The server gets no
        request for what the gateway serves. Raise GatewayError.
        """
        self._content.serve(path, body, content_type, status, headers)
        return self.url + path

    def serve_file(self, path: str, file: str | Path, *, content_type: str | None = None) -> str:
        """Serve a file under a path, as it is at each request; return the URL. Raise GatewayError."""
        self._content.serve_file(path, Path(file), content_type)
        return self.url + path

    def serve_directory(
        self, path: str, folder: str | Path, *, index: str = "index.html", single_page: bool = False
    ) -> str:
        """Serve the files of a folder below a path, and `index` for a folder; return the URL.

        With `single_page` a page that is opened below the path and is no file is the index, too.
        What the folder has not goes to the server. Raise GatewayError.
        """
        self._content.serve_directory(path, Path(folder), index, single_page)
        return self.url + path

    def rewrite(self, path: str, upstream_path: str) -> None:
        """Request `upstream_path` of the server where the browser requests `path`; the query stays.

        The journal, toxics and routes see the path that the browser requested. Raise GatewayError.
        """
        self._upstream.rewrite(path, upstream_path)

    # --- toxics and routes ------------------------------------------------------------------------

    def add_toxic(
        self,
        toxic: Toxic,
        *,
        on: URLMatch = EVERYTHING,
        stream: Stream | None = None,
        times: int | None = None,
        toxicity: float = 1.0,
        seed: int | None = None,
        optional: bool = False,
    ) -> AppliedToxic:
        """Break the exchanges that match `on` (see patterns.py) from now on; the toxics are in toxics/.

        A WebSocket is one exchange: some toxics also act on those that are open, on all their messages.
        `times` limits how many exchanges are hit; `toxicity` is the share that is, the same ones for the same
        `seed`. A toxic that hits none is reported at the end of the test unless it is `optional`. `Down`
        refuses every connection to the origin. Raise ToxicError, or GatewayError for a pattern that cannot
        match.
        """
        applied = self._toxics.add(
            toxic, on=on, stream=stream, times=times, toxicity=toxicity, seed=seed, optional=optional
        )
        self._note(f"toxic {applied} on {applied.pattern} added")
        if applied.refuses_connections:
            self._loop_thread.run(self._update_listener())
        if toxic.acts_on_sockets and self._loop_thread.is_current:
            self._pipeline.offer_to_sockets(applied)
        elif toxic.acts_on_sockets:
            self._loop_thread.run(self._offer_to_sockets(applied))
        return applied

    async def _offer_to_sockets(self, applied: AppliedToxic) -> None:
        self._pipeline.offer_to_sockets(applied)

    def route(
        self, url: URLMatch, handler: Handler, *, times: int | None = None, optional: bool = False
    ) -> RouteRule:
        """Have `handler` decide on the requests of a pattern (see patterns.py, router.py).

        The newest route comes first; `times` limits how many requests it gets. A handler that raises makes
        the test fail. A route that gets no request is reported at the end of the test unless it is
        `optional`. Raise GatewayError.
        """
        rule = self._router.add(url, handler, times, optional)
        self._note(f"route on {rule.pattern} added")
        return rule

    def route_web_socket(
        self, url: URLMatch, handler: WebSocketHandler, *, optional: bool = False
    ) -> WebSocketRule:
        """Have `handler` mock the WebSockets of a pattern (see web_socket_route.py).

        Their URLs begin with `ws:`. Raise GatewayError.
        """
        rule = self._web_socket_router.add(url, handler, optional)
        self._note(f"web socket route on {rule.pattern} added")
        return rule

    def unroute(self, url: URLMatch, handler: Callable[..., object] | None = None) -> None:
        """Remove the routes that were added with this pattern, and this handler where one is given."""
        self._router.rules.remove(url, handler)

    def unroute_all(self) -> None:
        """Remove all routes, also those of WebSockets."""
        self._router.rules.clear()
        self._web_socket_router.rules.clear()

    @property
    def rules(self) -> list[RouteRule]:
        """The routes in force, oldest first."""
        return self._router.rules.in_force

    @property
    def on_unhandled_request(self) -> UnhandledRequestPolicy:
        """What happens to a request that no route and no served content handles.

        "bypass" (the default) sends it to the server, "warn" does so with an UnhandledRequestWarning, "error"
        responds with 500 and makes the test fail.
        """
        return self._unhandled.policy

    @on_unhandled_request.setter
    def on_unhandled_request(self, policy: UnhandledRequestPolicy) -> None:
        self._unhandled.policy = policy

    def _raise_handler_error(self) -> None:
        """Raise the first error of a handler, or of an unhandled request, since the last call, if any."""
        self._runner.raise_error()

    def _list_unused_faults(self) -> list[str]:
        """Return a line for each toxic and route that met no request although it should, removed ones too."""
        toxics = [f"the toxic {each} on {each.pattern} met no request" for each in self._toxics.unused]
        routes = [f"the route {each.pattern} met no request" for each in self._router.rules.unused]
        sockets = [
            f"the web socket route {each.pattern} met no WebSocket"
            for each in self._web_socket_router.rules.unused
        ]
        return [*toxics, *routes, *sockets]

    def _on_toxic_removed(self, applied: AppliedToxic) -> None:
        self._note(f"toxic {applied} removed")
        if applied.refuses_connections:
            self._loop_thread.run(self._update_listener())

    async def _update_listener(self) -> None:
        if self._toxics.refuse_connections:
            await self._listener.refuse()
            self._pipeline.cut_streams()
        else:
            await self._listener.accept()

    def _note(self, text: str) -> None:
        self._notes.append(TimelineEvent(datetime.now(timezone.utc), f"gateway: {text}"))

    # --- what passed ------------------------------------------------------------------------------

    def expect_request(self, url: URLMatch, *, timeout: float = DEFAULT_TIMEOUT) -> ExpectedExchange:
        """Wait, at the end of a `with` block, for an exchange of a pattern that begins from now on.

        `timeout` is in ms; `value` of what the block yields is the exchange. Raise WaitTimeoutError, or
        GatewayError for a pattern that cannot match.
        """
        return ExpectedExchange(self.journal, self._origin.compile(url), "request", timeout=timeout)

    def expect_response(self, url: URLMatch, *, timeout: float = DEFAULT_TIMEOUT) -> ExpectedExchange:
        """Wait, at the end of a `with` block, for an exchange of a pattern that ends from now on.

        Takes and raises what `expect_request` does.
        """
        return ExpectedExchange(self.journal, self._origin.compile(url), "response", timeout=timeout)

    def expect_web_socket_message(
        self,
        url: URLMatch,
        predicate: Callable[[SocketMessage], object] | None = None,
        *,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> ExpectedMessage:
        """Wait, at the end of a `with` block, for a message on a WebSocket of a pattern from now on.

        `predicate` gets each message, with its `sender` and `data`. Takes and raises what `expect_request`
        does otherwise.
        """
        return ExpectedMessage(
            self.journal,
            self._origin.compile(url, web_socket=True),
            predicate,
            timeout=timeout,
        )

    def save_har(self, path: str | Path) -> Path:
        """Write the journal as an HTTP Archive, its folder too, and return the path."""
        return write_har(self.journal, path)

    # --- workers ----------------------------------------------------------------------------------

    def _compile_pattern(self, url: URLMatch) -> Pattern:
        """Return a compiled pattern of URLs of this gateway. Raise GatewayError if it cannot match any."""
        return self._origin.compile(url)

    def _compile_script_pattern(self, url: URLMatch) -> Pattern:
        """Return a compiled pattern of workers' scripts. Raise GatewayError if it cannot match any."""
        return self._origin.compile_script(url)

    def _correct_stack(self, stack: str) -> str:
        """Return a stack with the positions of the sources (see stacks.py).

        In the loop's thread, which cannot wait for a source map, they are those of the served scripts.
        """
        maps = None if self._loop_thread.is_current else self._script_maps
        return correct_stack(stack, self._scripts.find_prefix, maps)

    def add_worker_script(self, pattern: URLMatch) -> None:
        """Treat what a pattern matches (see patterns.py) as scripts of SharedWorkers.

        Needed for origins on plain HTTP other than localhost, where browsers send no Fetch Metadata, and for
        pages behind a service worker, which fetches scripts itself.
        """
        self._scripts.add_pattern(pattern)

    @property
    def _worker_script_urls(self) -> list[str]:
        """The URLs of all scripts that browsers requested as SharedWorkers."""
        return list(self._scripts.urls)

    def _count_script_requests(self, url: str, since: datetime) -> int:
        """Return how often browsers have requested this URL as a SharedWorker's script."""
        if not url.startswith("http"):
            return sum(start == url and at >= since for start, at in self._inline_workers.starts)
        return sum(
            self._script_urls.is_same(exchange.url, url)
            and exchange.started_at >= since
            and (exchange.request_headers.get("Sec-Fetch-Dest") == "sharedworker" or self._scripts.has(url))
            for exchange in self.journal
        )

    async def _on_worker_start(self, session: ControlChannel) -> None:
        """Apply what was ordered for the moment before a worker's first line (in the loop's thread)."""
        self._toxics.note_worker_start()
        if self._toxics.refuse_connections:
            await self._update_listener()
