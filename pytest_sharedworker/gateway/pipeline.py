"""The way of one exchange through the gateway: match, toxics, route, upstream, send."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone

from aiohttp import web

from pytest_sharedworker.control.server import ControlServer
from pytest_sharedworker.gateway.body_stream import PATIENCE_SECONDS, read_whole
from pytest_sharedworker.gateway.csp_reports import restore_report
from pytest_sharedworker.gateway.event_stream import EventStreamReader
from pytest_sharedworker.gateway.exchange import Exchange
from pytest_sharedworker.gateway.exchange_control import (
    ClientDisconnectedError,
    ConnectionClosedError,
    ExchangeControl,
    abort_connection,
    reset_connection,
    wait_for_disconnect,
    wait_while_connected,
)
from pytest_sharedworker.gateway.handlers import HandlerRunner
from pytest_sharedworker.gateway.headers import NOT_FORWARDED, remove_headers
from pytest_sharedworker.gateway.journal import Journal
from pytest_sharedworker.gateway.messages import RawResponse, UpstreamRequest
from pytest_sharedworker.gateway.origins.registry import Origins
from pytest_sharedworker.gateway.page_scripts import insert_scripts, is_document_request, is_html
from pytest_sharedworker.gateway.patterns import Origin
from pytest_sharedworker.gateway.request_parser import get_proxied_origin, get_url
from pytest_sharedworker.gateway.responses import send
from pytest_sharedworker.gateway.route import Abort, Continue, RouteTransport
from pytest_sharedworker.gateway.router import Router
from pytest_sharedworker.gateway.sender import Identity, Opener, SenderIdentification
from pytest_sharedworker.gateway.socket_toxics import SocketToxics
from pytest_sharedworker.gateway.toxics.applied import AppliedToxic, AppliedToxics, need_whole, plan_transfer
from pytest_sharedworker.gateway.toxics.base import SocketEnd, Stream
from pytest_sharedworker.gateway.transfer import Transfer
from pytest_sharedworker.gateway.unhandled import UnhandledRequests
from pytest_sharedworker.gateway.web_socket_route import RoutedWebSocket, WebSocketRouter
from pytest_sharedworker.gateway.websockets import WebSocketBridge, is_handshake
from pytest_sharedworker.gateway.worker_scripts import WorkerScripts
from pytest_sharedworker.gateway.worker_support import WorkerSupport
from pytest_sharedworker.integration.event_loop_thread import LoopThread

_INTERNAL_ERROR = 500
_EVENT_STREAM = "text/event-stream"
_DOCUMENTS = ("document", "iframe")


class Pipeline:
    """What every exchange of one gateway passes through."""

    def __init__(
        self,
        *,
        origin: Origin,
        journal: Journal,
        toxics: AppliedToxics,
        router: Router,
        web_socket_router: WebSocketRouter,
        origins: Origins,
        unhandled: UnhandledRequests,
        scripts: WorkerScripts,
        workers: WorkerSupport,
        control: ControlServer,
        loop_thread: LoopThread,
        runner: HandlerRunner,
    ) -> None:
        self._origin = origin
        self._journal = journal
        self._toxics = toxics
        self._router = router
        self._web_socket_router = web_socket_router
        self._origins = origins
        self._unhandled = unhandled
        self._scripts = scripts
        self._workers = workers
        self._senders = SenderIdentification(scripts, workers, control)
        self._control_server = control
        self._loop_thread = loop_thread
        self._runner = runner
        self._is_closed = False
        self._streaming: set[ExchangeControl] = set()
        self._socket_toxics: dict[int, SocketToxics] = {}
        """By the number of the exchange."""

    async def handle(self, request: web.Request, opener: Opener | None = None) -> web.StreamResponse:
        """Note an exchange in the journal from its begin to its end."""
        started_at, started_seconds = datetime.now(timezone.utc), self._journal.seconds()
        identity = await self._senders.identify(request, opener)
        exchange = self._begin(request, identity, started_at, started_seconds)
        self._senders.note(identity, exchange)
        channel = self._control_server.get_channel(exchange.worker_id) if exchange.worker_id else None
        control = ExchangeControl(request, exchange, channel)
        self._journal.add(exchange)
        try:
            return await self._exchange(control, identity)
        except ConnectionClosedError as cut:
            exchange.cut = cut.how
            # The connection is closed: aiohttp notices when it tries to write, and ignores it.
            return web.Response()
        except ClientDisconnectedError:
            await wait_for_disconnect(request)
            return web.Response()
        except ConnectionError:  # A browser may close its connection at any time: no reason for a traceback.
            return web.Response()
        except Exception as error:  # Such as a pattern's callable that raises.
            if self._is_closed:  # The test is over, and so is the connection to its server.
                return web.Response()
            self._runner.keep_error(error)
            with suppress(ConnectionError):
                text = f"pytest-sharedworker: the gateway cannot handle this request: {error!r}"
                return await send(control, RawResponse.plain(_INTERNAL_ERROR, text), Transfer())
            return web.Response()
        finally:
            if (socket_toxics := self._socket_toxics.pop(exchange.number, None)) is not None:
                socket_toxics.close()
            # aiohttp still has to flush the last bytes; for a test that waits, the exchange is over.
            exchange.ended_seconds = self._journal.seconds()
            if identity.announced is not None:
                identity.announced.is_answered = True
            self._journal.update()

    async def _exchange(self, control: ExchangeControl, identity: Identity) -> web.StreamResponse:
        """Carry one exchange from the first byte of its request to the last byte of its response."""
        request, exchange = control.request, control.exchange
        exchange.request_body = restore_report(request, await request.read())
        exchange.received_seconds = self._journal.seconds()

        # Match: which toxics hit this exchange, and how is its response sent under them?
        toxics = self._toxics.take(exchange)
        exchange.toxics = [str(toxic) for toxic in toxics]
        transfer = plan_transfer(toxics)

        bridge = self._make_bridge(control, toxics)

        # Toxics on the request.
        response = await _apply(toxics, "upstream", control)
        if response is not None:
            exchange.answered_seconds = self._journal.seconds()
            return await send(control, response, Transfer())

        # Route and upstream.
        if identity.announced is not None:
            identity.announced.asked_at = time.monotonic()
        response = None
        try:
            response = await self._respond(control, bridge)
            if need_whole(toxics) and not _is_event_stream(response):
                response = await read_whole(response, patience=PATIENCE_SECONDS)

            # Toxics on the response.
            instead = await _apply(toxics, "downstream", control)
            if instead is not None:
                if response.stream is not None:
                    response.stream.close()
                response = instead

            # Send.
            self._senders.follow_redirect(identity, exchange, response)
            exchange.answered_seconds = self._journal.seconds()
            if bridge is not None and bridge.is_streaming(response):
                return await self._run_bridge(bridge, response, control)
            return await self._send(control, response, transfer)
        finally:
            if bridge is not None:
                await bridge.close()
            if response is not None and response.stream is not None:
                response.stream.close()

    async def _send(
        self, control: ExchangeControl, response: RawResponse, transfer: Transfer
    ) -> web.StreamResponse:
        request = control.request
        is_script = response.status == 200 and self._scripts.is_requested_by(request)
        gate = self._scripts.wait_at_gate if is_script else None
        if response.stream is None:
            return await send(control, response, transfer, gate=gate)
        self._streaming.add(control)
        on_piece = self._make_listener(control) if _is_event_stream(response) else self._journal.update
        try:
            return await send(control, response, transfer, gate=gate, on_piece=on_piece)
        finally:
            self._streaming.discard(control)

    def _make_listener(self, control: ExchangeControl) -> Callable[[], None]:
        """Return what counts the events of a stream, piece by piece."""
        reader = EventStreamReader(control._open_socket().count_event)
        read = 0

        def listen() -> None:
            nonlocal read
            body = control.exchange.response_body
            reader.read(body[read:])
            read = len(body)
            self._journal.update()

        return listen

    async def _respond(self, control: ExchangeControl, bridge: WebSocketBridge | None) -> RawResponse:
        """Return the response that a route, served content or the server gives."""
        request, exchange = control.request, control.exchange
        is_script = self._scripts.is_requested_by(request)
        headers = remove_headers(request.headers, NOT_FORWARDED)
        if is_script:  # A script that gets a prologue must come as plain text.
            headers["Accept-Encoding"] = "identity"
        upstream_request = UpstreamRequest(request.method, exchange.url, headers, exchange.request_body)

        async def fetch(changed: UpstreamRequest) -> RawResponse:
            served = self._origins.respond(changed)
            return served if served is not None else await self._origins.fetch(changed, exchange, bridge)

        async def fetch_for_route(changed: UpstreamRequest) -> RawResponse:
            response = await fetch(changed)
            return response if _is_event_stream(response) else await read_whole(response)

        if isinstance(bridge, RoutedWebSocket):
            return await bridge.decide(lambda: self._origins.fetch(upstream_request, exchange, bridge))

        transport = RouteTransport(control, fetch_for_route, self._loop_thread)
        decision = await self._router.decide(exchange, upstream_request, transport)
        if isinstance(decision, RawResponse):
            response = decision
        elif isinstance(decision, Abort):
            control.reset() if decision.reset else control.close()
        elif isinstance(decision, Continue):
            response = await wait_while_connected(request, fetch(decision.request))
        else:
            instead = self._origins.respond(decision.request) or self._unhandled.refuse(exchange)
            if instead is not None:
                response = instead
            else:
                # The server learns that its client has gone, also before its response begins.
                fetching = self._origins.fetch(decision.request, exchange, bridge)
                response = await wait_while_connected(request, fetching)

        if is_script and response.status == 200:
            response = self._scripts.serve(exchange.url, await read_whole(response))
        elif request.headers.get("Sec-Fetch-Dest") in _DOCUMENTS:
            response = self._scripts.serve_page(exchange.url, response)
        page_scripts = self._workers.page_scripts()
        if page_scripts and is_document_request(request) and is_html(response):
            response = insert_scripts(await read_whole(response), page_scripts)
        return response

    async def _run_bridge(
        self, bridge: WebSocketBridge, response: RawResponse, control: ExchangeControl
    ) -> web.StreamResponse:
        self._streaming.add(control)
        try:
            return await bridge.run(response)
        finally:
            bridge.counts.count_event("close")
            self._streaming.discard(control)

    def close(self) -> None:
        """Ignore the errors of requests that are still pending at the end of the test."""
        self._is_closed = True

    def cut_streams(self) -> None:
        """Break all open WebSockets and bodies that are on their way."""
        for control in self._streaming:
            abort_connection(control.request)

    def offer_to_sockets(self, applied: AppliedToxic) -> None:
        """Have a toxic that was just added act on the WebSockets that are open (in the loop's thread)."""
        for toxics in list(self._socket_toxics.values()):
            toxics.offer(applied)

    def _make_bridge(self, control: ExchangeControl, hit: list[AppliedToxic]) -> WebSocketBridge | None:
        request, exchange = control.request, control.exchange
        if not is_handshake(request):
            return None

        counts = control._open_socket()

        def end(how: SocketEnd) -> None:
            exchange.cut = how.how
            counts.count_event("close")  # At once: the worker may ask before the bridge notices it.
            if how.how == "reset":
                reset_connection(request)
            else:
                abort_connection(request)

        toxics = SocketToxics(exchange, hit, self._toxics.in_force, control.hold, end)
        self._socket_toxics[exchange.number] = toxics
        rule = self._web_socket_router.find(exchange)
        if rule is not None:
            return self._web_socket_router.make_bridge(rule, request, exchange, self._journal, counts, toxics)
        return WebSocketBridge(request, exchange, self._journal, counts, toxics)

    def _begin(
        self, request: web.Request, identity: Identity, started_at: datetime, started_seconds: float
    ) -> Exchange:
        return Exchange(
            number=len(self._journal) + 1,
            method=request.method,
            url=get_url(request, self._origin.url),
            path=request.raw_path,
            request_headers=request.headers.copy(),
            request_body=b"",
            sender=identity.sender,
            worker_id=identity.worker_id,
            request_number=identity.request_number,
            virtual_time=identity.virtual_time,
            started_at=started_at,
            started_seconds=started_seconds,
            is_proxied=get_proxied_origin(request) is not None,
        )


def _is_event_stream(response: RawResponse) -> bool:
    return response.headers.get("Content-Type", "").lower().startswith(_EVENT_STREAM)


async def _apply(toxics: list[AppliedToxic], stream: Stream, control: ExchangeControl) -> RawResponse | None:
    """Apply the toxics of one stream, in the order in which they were added, up to one that responds."""
    for applied in toxics:
        if applied.stream == stream:
            response = await applied.toxic.apply(control, applied.random)
            if response is not None:
                return response
    return None
