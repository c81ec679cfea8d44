"""The gateway: a reverse proxy between browser and server that sees, serves and breaks.

It works in every browser, for tabs and workers alike, because it stands on the wire. One origin (one
free port) a test. Every answer closes its connection: a browser sends a request again by itself when a
reused connection is reset, and a journal that shows a worker's own requests must not show those.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from aiohttp import web
from multidict import CIMultiDict

from pytest_sharedworker.control.server import ControlServer
from pytest_sharedworker.control.session import ControlChannel, StateNotifier
from pytest_sharedworker.errors import GatewayError
from pytest_sharedworker.gateway.event_streams import EventStream, is_event_stream
from pytest_sharedworker.gateway.events import TimelineEvent
from pytest_sharedworker.gateway.exchange import Exchange, Sender
from pytest_sharedworker.gateway.headers import HOP_BY_HOP, without
from pytest_sharedworker.gateway.journal import Journal
from pytest_sharedworker.gateway.patterns import Pattern
from pytest_sharedworker.gateway.responses import ConnectionClosedError, close_connection, send
from pytest_sharedworker.gateway.route import (
    Abort,
    ClientDisconnectedError,
    Response,
    RouteTransport,
    UpstreamRequest,
)
from pytest_sharedworker.gateway.router import Handler, RouteRule, Routes
from pytest_sharedworker.gateway.toxics import Stream, Toxic, make_toxic
from pytest_sharedworker.gateway.upstream import StreamingProxy, Upstream
from pytest_sharedworker.gateway.websockets import SocketBridge, is_handshake
from pytest_sharedworker.gateway.worker_scripts import OWN_PREFIX, WorkerScripts
from pytest_sharedworker.injected.prologue import TAG_HEADER
from pytest_sharedworker.integration.event_loop_thread import LoopThread

_LARGEST_BODY = 1 << 30


class Gateway:
    """One origin in front of the server under test.

    `url` is the origin (no slash at its end), `journal` all that passed.
    """

    def __init__(self, loop_thread: LoopThread, control: ControlServer, upstream: str | None = None) -> None:
        self.journal = Journal()
        self.upstream = Upstream(upstream)
        self.scripts = WorkerScripts(control.port)
        """How worker scripts are served (the business of SharedWorkers)."""
        self._loop_thread = loop_thread
        self._control = control
        self.journal.describe_worker = self._describe_worker
        self._toxics: list[Toxic] = []
        self._lasting: set[StreamingProxy] = set()
        self._routes = Routes(loop_thread)
        self.notes: list[TimelineEvent] = []
        """When toxics and routes came and went."""
        self._runner: web.AppRunner | None = None
        self._site: web.BaseSite | None = None
        self._port = 0

    @property
    def worker_script_urls(self) -> list[str]:
        """The URLs of all scripts that browsers asked for as SharedWorkers."""
        return [self.url + path for path in self.scripts.paths]

    # --- life -------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The origin, for example `http://127.0.0.1:40123`."""
        return f"http://127.0.0.1:{self._port}"

    def start(self, port: int = 0) -> str:
        """Listen on 127.0.0.1 (port 0: a free one) and return the origin. Raises GatewayError."""
        self._loop_thread.run(self._start(port))
        return self.url

    def stop(self) -> None:
        """Close everything. Idempotent."""
        self._loop_thread.run(self._stop())

    async def _start(self, port: int) -> None:
        await self.upstream.open()
        app = web.Application(client_max_size=_LARGEST_BODY)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, auto_decompress=False)
        await self._runner.setup()
        try:
            await self._listen(port)
        except OSError as error:
            await self._stop()
            raise GatewayError(
                f"the gateway cannot listen on 127.0.0.1:{port} ({error.strerror or error});"
                " choose another port, or 0 for a free one"
            ) from error

    async def _listen(self, port: int) -> None:
        assert self._runner is not None
        self._site = web.TCPSite(self._runner, "127.0.0.1", port, reuse_address=True)
        await self._site.start()
        self._port = self._runner.addresses[0][1]

    async def _stop(self) -> None:
        await self.upstream.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _down(self) -> None:
        if self._site is not None:
            await self._site.stop()
            self._site = None
        for lasting in self._lasting:
            lasting.cut()

    async def _up(self) -> None:
        if self._site is None and self._runner is not None:
            await self._listen(self._port)

    # --- what it serves ---------------------------------------------------------------------------

    def add_worker_script(self, pattern: str) -> None:
        """Take what a pattern names (see journal.Pattern) for scripts of SharedWorkers.

        Needed for origins on plain HTTP other than localhost, where browsers do not tell (Fetch Metadata).
        """
        self.scripts.patterns.append(Pattern.parse(pattern))

    def mount(self, path: str, content: Path | bytes | str, content_type: str | None = None) -> str:
        """Serve a file, the files of a directory, or bytes under `path`; return its URL.

        A directory's `path` ends in a slash. What is mounted is never asked of the server.
        Raises GatewayError.
        """
        self.upstream.mount(path, content, content_type)
        return self.url + path

    def rewrite(self, path: str, upstream_path: str) -> None:
        """Ask the server for `upstream_path` where the browser asks for `path`; the query stays.

        The journal, toxics and routes know the path that the browser asked for. Raises GatewayError.
        """
        self.upstream.rewrite(path, upstream_path)

    def toxic(
        self,
        name: str,
        *,
        on: str = "*",
        stream: Stream | None = None,
        times: int | None = None,
        probability: float = 1.0,
        seed: int | None = None,
        **attributes: Any,
    ) -> Toxic:
        """Break the exchanges that match `on` (see journal.Pattern) from now on.

        Names and attributes stand in `toxics.py`. `times` limits how many are hit; `probability` picks
        them by chance, the same ones for the same `seed`. `down` refuses every connection to the origin,
        with `at_worker_start=True` from the moment before the next worker's first line.
        Raises ToxicError.
        """
        toxic = make_toxic(
            name, on=on, on_remove=self._remove, stream=stream, times=times,
            probability=probability, seed=seed, **attributes,
        )  # fmt: skip
        self._toxics.append(toxic)
        self._note(f"toxic {toxic} on {on} added")
        if name == "down" and not toxic.attributes["at_worker_start"]:
            self._loop_thread.run(self._down())
        return toxic

    def route(self, pattern: str, handler: Handler, *, times: int | None = None) -> RouteRule:
        """Have `handler` decide what becomes of the requests of a pattern (see journal.Pattern, routes.py).

        The newest rule is asked first; `times` limits how many requests it gets. A handler that raises
        makes the test fail. Raises SharedWorkerError where `pattern` is none.
        """
        self._note(f"route on {pattern} added")
        return self._routes.add(pattern, handler, times)

    @property
    def rules(self) -> list[RouteRule]:
        """The routes that are in force, oldest first."""
        return self._routes.rules

    def unroute(self, pattern: str, handler: Handler | None = None) -> None:
        """Remove the rules that were added with this pattern, and this handler where one is given."""
        self._routes.remove(pattern, handler)

    def unused_faults(self) -> list[str]:
        """Return the toxics and routes that matched no request."""
        return []

    def raise_handler_error(self) -> None:
        """Raise what a route's handler has raised since the last call; nothing where all went well."""
        self._routes.raise_error()

    def _note(self, text: str) -> None:
        self.notes.append(TimelineEvent(datetime.now(timezone.utc), f"gateway: {text}"))

    def _remove(self, toxic: Toxic) -> None:
        if toxic in self._toxics:
            self._toxics.remove(toxic)
            self._note(f"toxic {toxic} removed")
            if toxic.name == "down" and not any(other.name == "down" for other in self._toxics):
                self._loop_thread.run(self._up())

    def _describe_worker(self, worker_id: str) -> str:
        session = self._control.session(worker_id)
        return f"worker {worker_id}" if session is None else str(session)

    async def worker_starts(self, session: ControlChannel) -> None:
        """Apply what was ordered for the moment before a worker's first line (in the loop's thread)."""
        if any(toxic.name == "down" for toxic in self._toxics):
            await self._down()

    # --- an exchange ------------------------------------------------------------------------------

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.path.startswith(OWN_PREFIX):
            return self.scripts.answer_own(request)
        if self._site is None:  # Down: a browser may have connected ahead of need, before that.
            with suppress(ConnectionClosedError):
                close_connection(request, reset=True)
            return web.Response()
        exchange = self._begin(request)
        self.journal.add(exchange)
        try:
            exchange.request_body = await request.read()
            exchange.received_seconds = self.journal.seconds()
            toxics = [each for each in list(self._toxics) if each.name != "down" and each.take(exchange)]
            exchange.toxics = [str(toxic) for toxic in toxics]
            return await self._exchange(request, exchange, toxics)
        except (ConnectionClosedError, ClientDisconnectedError) as cut:
            exchange.cut = cut.how if isinstance(cut, ConnectionClosedError) else None
            # The connection is closed: aiohttp notices when it tries to write, and lets it be.
            return web.Response()
        finally:
            # aiohttp still has to flush the last bytes; for whoever waits, the exchange is over.
            exchange.ended_seconds = self.journal.seconds()
            self.journal.update()

    def _begin(self, request: web.Request) -> Exchange:
        worker_id, request_number, virtual_seconds = _parse_tag(request.headers.get(TAG_HEADER))
        return Exchange(
            number=len(self.journal) + 1,
            method=request.method,
            url=self.url + request.raw_path,
            path=request.raw_path,
            request_headers=without(request.headers, {TAG_HEADER}),
            request_body=b"",
            sender=self._sender(request, worker_id),
            worker_id=worker_id,
            request_number=request_number,
            virtual_seconds=virtual_seconds,
            started_at=datetime.now(timezone.utc),
            started_seconds=self.journal.seconds(),
        )

    def _sender(self, request: web.Request, worker_id: str | None) -> Sender:
        if worker_id is not None:
            return "worker"
        referer = request.headers.get("Referer")
        if referer is None:
            return "tab" if request.headers.get("Sec-Fetch-Mode") == "navigate" else "unknown"
        return "worker" if self.scripts.is_referred_by(referer) else "tab"

    async def _exchange(
        self, request: web.Request, exchange: Exchange, toxics: list[Toxic]
    ) -> web.StreamResponse:
        for toxic in toxics:
            if toxic.stream == "upstream":
                if toxic.name == "status":
                    return await self._send(request, exchange, _own_answer(toxic), [])
                await self._interfere(request, exchange, toxic)
        lasting = self._lasting_one(request, exchange)
        try:
            answer = await self._answer(request, exchange, lasting)
            for toxic in toxics:
                if toxic.stream == "downstream":
                    await self._interfere(request, exchange, toxic)
            if lasting is not None and lasting.carries(answer):
                return await self._hand_on(exchange, answer, lasting)
            return await self._send(request, exchange, answer, toxics)
        finally:
            if lasting is not None:
                await lasting.close()

    def _lasting_one(self, request: web.Request, exchange: Exchange) -> StreamingProxy | None:
        if is_handshake(request):
            return SocketBridge(request, exchange, self.journal)
        return EventStream(request, exchange, self.journal) if is_event_stream(request) else None

    async def _hand_on(
        self, exchange: Exchange, answer: Response, lasting: StreamingProxy
    ) -> web.StreamResponse:
        exchange.answered_seconds = self.journal.seconds()
        self._lasting.add(lasting)
        try:
            return await lasting.run(answer)
        except ConnectionError:
            raise ClientDisconnectedError from None
        finally:
            self._lasting.discard(lasting)

    async def _send(
        self, request: web.Request, exchange: Exchange, answer: Response, toxics: list[Toxic]
    ) -> web.StreamResponse:
        exchange.answered_seconds = self.journal.seconds()
        is_script = answer.status == 200 and self.scripts.asked_for(request)
        try:
            return await send(
                request,
                exchange,
                answer,
                toxics,
                pause=lambda delay_ms: self._pause(exchange, delay_ms),
                gate=self.scripts.gate if is_script else None,
            )
        except ConnectionError:  # A browser may leave whenever it likes: no reason for a traceback.
            raise ClientDisconnectedError from None

    async def _interfere(self, request: web.Request, exchange: Exchange, toxic: Toxic) -> None:
        """Delay or end the exchange, where this toxic does."""
        attributes = toxic.attributes
        if toxic.name == "latency":
            jitter_ms = attributes["jitter_ms"] * toxic.random.uniform(-1, 1)
            await self._pause(exchange, max(0, attributes["latency_ms"] + jitter_ms))
        elif toxic.name == "timeout":
            await self._pause(exchange, attributes["timeout_ms"] or None)
            close_connection(request, reset=False)
        elif toxic.name == "reset_peer":
            if attributes["timeout_ms"]:
                await self._pause(exchange, attributes["timeout_ms"])
            close_connection(request, reset=True)
        elif toxic.name == "drop_response":
            close_connection(request, reset=True)

    async def _pause(self, exchange: Exchange, delay_ms: float | None) -> None:
        """Let `delay_ms` of the sender's time pass (None: for ever)."""
        session = self._control.session(exchange.worker_id) if exchange.worker_id else None
        if session is not None and exchange.request_number is not None:
            if not await session.suspend(exchange.request_number, delay_ms):
                raise ConnectionClosedError
            exchange.paused_seconds += (delay_ms or 0) / 1000
        elif delay_ms is None:
            await asyncio.Event().wait()
        else:
            await asyncio.sleep(delay_ms / 1000)
            exchange.paused_seconds += delay_ms / 1000

    async def _answer(
        self, request: web.Request, exchange: Exchange, lasting: StreamingProxy | None
    ) -> Response:
        """What the browser should get where no toxic interferes: what a route or the server decides."""
        wants_worker = self.scripts.asked_for(request)
        asked = UpstreamRequest(request.method, without(request.headers, HOP_BY_HOP), exchange.request_body)
        if wants_worker:  # A script that gets a prologue has to come as plain text.
            asked.headers["Accept-Encoding"] = "identity"
        decided = await self._routes.decide(exchange, asked, self._way(request, exchange, lasting))
        if isinstance(decided, Abort):
            close_connection(request, reset=decided.reset)
        status, headers, body = decided
        if wants_worker and status == 200:
            body = self.scripts.serve(request.path, body, headers)
        return Response(status, headers, body)

    def _way(
        self, request: web.Request, exchange: Exchange, lasting: StreamingProxy | None
    ) -> RouteTransport:
        """What a route can do with this request on the wire."""
        session = self._control.session(exchange.worker_id) if exchange.worker_id else None
        number = exchange.request_number
        changes = StateNotifier()

        async def hold(released: Callable[[], bool]) -> None:
            if session is None or number is None:
                await changes.wait_until(released)
            elif not await session.suspend_until(number, released):
                raise ClientDisconnectedError

        def release() -> None:
            if session is None or number is None:
                changes.notify()
            else:
                session.resume(number)

        return RouteTransport(
            lambda asked: self.upstream.ask(request.path, exchange, asked, lasting), hold, release
        )


def _own_answer(toxic: Toxic) -> Response:
    body = toxic.attributes["body"]
    headers = CIMultiDict({"Content-Type": "application/json", **toxic.attributes["headers"]})
    return Response(toxic.attributes["status"], headers, body if isinstance(body, bytes) else body.encode())


def _parse_tag(tag: str | None) -> tuple[str | None, int | None, float | None]:
    if tag is None:
        return None, None, None
    worker_id, number, virtual_ms = tag.split(".", 2)
    return worker_id, int(number), float(virtual_ms) / 1000 if virtual_ms else None
