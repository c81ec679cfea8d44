"""The gateway: a reverse proxy between browser and server that sees, serves and breaks.

It works in every browser, for tabs and workers alike, because it stands on the wire. One origin (one
free port) a test. Every answer closes its connection: a browser sends a request again by itself when a
reused connection is reset, and a journal that shows a worker's own requests must not show those.
"""

from __future__ import annotations

import asyncio
import mimetypes
import socket
import struct
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal, NoReturn
from urllib.parse import urlsplit

from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar, web
from multidict import CIMultiDict
from yarl import URL

from .control import Changes, ControlServer, WorkerSession
from .exceptions import GatewayError
from .journal import Exchange, Journal, Pattern, Sender
from .loop_thread import LoopThread
from .prologue import TAG_HEADER, has_static_imports, is_strict
from .routes import Abort, Answer, Asked, BrowserGaveUp, Handler, RouteRule, Routes, Way
from .timeline import Moment
from .toxics import Stream, Toxic, make_toxic

OWN_PREFIX = "/__pytest_sharedworker__/"
"""Paths below it belong to the harness; they are neither forwarded nor in the journal."""

UPSTREAM_TIMEOUT_SECONDS = 60
_LARGEST_BODY = 1 << 30
_HOP_BY_HOP = frozenset(
    name.lower()
    for name in (
        "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "TE", "Trailer",
        "Transfer-Encoding", "Upgrade", "Content-Length", TAG_HEADER,
    )
)  # fmt: skip
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 seconds, so that close() sends RST.


class _Cut(Exception):
    """A toxic or a route ended the exchange: nothing more is sent."""

    def __init__(self, how: Literal["reset", "closed"] | None = None) -> None:
        self.how = how


class Gateway:
    """One origin in front of the server under test.

    `url` is the origin (no slash at its end), `journal` all that passed.
    """

    def __init__(self, loop_thread: LoopThread, control: ControlServer, upstream: str | None = None) -> None:
        self.journal = Journal()
        self.upstream = upstream.rstrip("/") if upstream else None
        self.worker_scripts: list[Pattern] = []
        """Patterns of worker scripts, for origins where browsers send no Sec-Fetch-Dest header."""
        self.prologue: Callable[[], str | None] = lambda: None
        """Returns the prologue that goes in front of a worker's script, or None for none."""
        self._loop_thread = loop_thread
        self._control = control
        self.journal.describe_worker = self._describe_worker
        self._toxics: list[Toxic] = []
        self._routes = Routes(loop_thread)
        self.notes: list[Moment] = []
        """When toxics and routes came and went."""
        self._mounts: dict[str, tuple[Path | bytes, str]] = {}
        self._own: dict[str, str] = {}
        self._script_urls: set[str] = set()
        self._runner: web.AppRunner | None = None
        self._site: web.BaseSite | None = None
        self._session: ClientSession | None = None
        self._port = 0

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
        self._session = ClientSession(
            auto_decompress=False,
            cookie_jar=DummyCookieJar(),
            timeout=ClientTimeout(UPSTREAM_TIMEOUT_SECONDS),
        )
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
        if self._session is not None:
            await self._session.close()
            self._session = None
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _down(self) -> None:
        if self._site is not None:
            await self._site.stop()
            self._site = None

    async def _up(self) -> None:
        if self._site is None and self._runner is not None:
            await self._listen(self._port)

    # --- what it serves ---------------------------------------------------------------------------

    def mount(self, path: str, content: Path | bytes | str, content_type: str | None = None) -> str:
        """Serve a file, the files of a directory, or bytes under `path`; return its URL.

        A directory's `path` ends in a slash. What is mounted is never asked of the server.
        """
        if isinstance(content, str):
            content = content.encode()
        if not path.startswith("/"):
            raise GatewayError(f"cannot mount at {path!r}: a path begins with a slash")
        if isinstance(content, Path) and not content.exists():
            raise GatewayError(f"cannot mount {content} at {path}: there is no such file or folder")
        if isinstance(content, Path) and content.is_dir() and not path.endswith("/"):
            raise GatewayError(f"cannot mount the folder {content} at {path}: end the path in a slash")
        guessed = mimetypes.guess_type(path)[0] or "application/octet-stream"
        self._mounts[path] = (content, content_type or guessed)
        return self.url + path

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

    def raise_handler_error(self) -> None:
        """Raise what a route's handler has raised since the last call; nothing where all went well."""
        self._routes.raise_error()

    def _note(self, text: str) -> None:
        self.notes.append(Moment(datetime.now(timezone.utc), f"gateway: {text}"))

    def _remove(self, toxic: Toxic) -> None:
        if toxic in self._toxics:
            self._toxics.remove(toxic)
            self._note(f"toxic {toxic} removed")
            if toxic.name == "down" and not any(other.name == "down" for other in self._toxics):
                self._loop_thread.run(self._up())

    def _describe_worker(self, worker_id: str) -> str:
        session = self._control.session(worker_id)
        return f"worker {worker_id}" if session is None else str(session)

    async def worker_starts(self, session: WorkerSession) -> None:
        """Apply what was ordered for the moment before a worker's first line (in the loop's thread)."""
        if any(toxic.name == "down" for toxic in self._toxics):
            await self._down()

    # --- an exchange ------------------------------------------------------------------------------

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if request.path.startswith(OWN_PREFIX):
            return self._answer_own(request)
        if self._site is None:  # Down: a browser may have connected ahead of need, before that.
            with suppress(_Cut):
                self._close(request, reset=True)
            return web.Response()
        exchange = self._begin(request)
        self.journal.add(exchange)
        try:
            exchange.body = await request.read()
            exchange.received_seconds = self.journal.seconds()
            toxics = [each for each in list(self._toxics) if each.name != "down" and each.take(exchange)]
            exchange.toxics = [str(toxic) for toxic in toxics]
            return await self._exchange(request, exchange, toxics)
        except (_Cut, BrowserGaveUp) as cut:
            exchange.cut = cut.how if isinstance(cut, _Cut) else None
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
            request_headers=_without(request.headers, {TAG_HEADER}),
            body=b"",
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
        path = urlsplit(referer).path
        if path in self._script_urls or any(pattern.matches("GET", path) for pattern in self.worker_scripts):
            return "worker"
        return "tab"

    async def _exchange(
        self, request: web.Request, exchange: Exchange, toxics: list[Toxic]
    ) -> web.StreamResponse:
        for toxic in toxics:
            if toxic.stream == "upstream":
                if toxic.name == "status":
                    status, headers, body = _own_answer(toxic)
                    return await self._send(request, exchange, status, headers, body, [])
                await self._interfere(request, exchange, toxic)
        status, headers, body = await self._answer(request, exchange)
        for toxic in toxics:
            if toxic.stream == "downstream":
                await self._interfere(request, exchange, toxic)
        return await self._send(request, exchange, status, headers, body, toxics)

    async def _interfere(self, request: web.Request, exchange: Exchange, toxic: Toxic) -> None:
        """Delay or end the exchange, where this toxic does."""
        attributes = toxic.attributes
        if toxic.name == "latency":
            jitter_ms = attributes["jitter_ms"] * toxic.random.uniform(-1, 1)
            await self._pause(exchange, max(0, attributes["latency_ms"] + jitter_ms))
        elif toxic.name == "timeout":
            await self._pause(exchange, attributes["timeout_ms"] or None)
            self._close(request, reset=False)
        elif toxic.name == "reset_peer":
            if attributes["timeout_ms"]:
                await self._pause(exchange, attributes["timeout_ms"])
            self._close(request, reset=True)
        elif toxic.name == "drop_response":
            self._close(request, reset=True)

    async def _pause(self, exchange: Exchange, delay_ms: float | None) -> None:
        """Let `delay_ms` of the sender's time pass (None: for ever)."""
        session = self._control.session(exchange.worker_id) if exchange.worker_id else None
        if session is not None and exchange.request_number is not None:
            if not await session.hold(exchange.request_number, delay_ms):
                raise _Cut
        elif delay_ms is None:
            await asyncio.Event().wait()
        else:
            await asyncio.sleep(delay_ms / 1000)

    def _close(self, request: web.Request, *, reset: bool) -> NoReturn:
        transport = request.transport
        if transport is not None:
            if reset:
                raw = transport.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                transport.abort()
            else:
                transport.close()
        raise _Cut("reset" if reset else "closed")

    async def _answer(self, request: web.Request, exchange: Exchange) -> Answer:
        """What the browser should get where no toxic interferes: what a route or the server decides."""
        wants_worker = self._wants_worker_script(request)
        asked = Asked(request.method, _without(request.headers, _HOP_BY_HOP), exchange.body)
        if wants_worker:  # A script that gets a prologue has to come as plain text.
            asked.headers["Accept-Encoding"] = "identity"
        decided = await self._routes.decide(exchange, asked, self._way(request, exchange))
        if isinstance(decided, Abort):
            self._close(request, reset=decided.reset)
        status, headers, body = decided
        if wants_worker and status == 200:
            self._script_urls.add(request.path)
            body = self._with_prologue(body, headers)
        return Answer(status, headers, body)

    def _way(self, request: web.Request, exchange: Exchange) -> Way:
        """What a route can do with this request on the wire."""
        session = self._control.session(exchange.worker_id) if exchange.worker_id else None
        number = exchange.request_number
        changes = Changes()

        async def hold(released: Callable[[], bool]) -> None:
            if session is None or number is None:
                await changes.wait_until(released)
            elif not await session.hold_until(number, released):
                raise BrowserGaveUp

        def release() -> None:
            if session is None or number is None:
                changes.notify()
            else:
                session.let_go(number)

        return Way(lambda asked: self._ask(request.path, exchange, asked), hold, release)

    async def _ask(self, path: str, exchange: Exchange, asked: Asked) -> Answer:
        """The answer where no route interferes: a mounted file's, or the server's."""
        mounted = self._mounted(path)
        if mounted is not None:
            body, kind = mounted
            headers = CIMultiDict({"Content-Type": kind, "Cache-Control": "no-store"})
            return Answer(200, headers, body)
        if self.upstream is None:
            return Answer(404, CIMultiDict({"Content-Type": "text/plain"}), b"nothing is mounted here")
        answer = await self._forward(exchange.path, asked)
        exchange.upstream_status, exchange.upstream_answer = answer.status, answer.body
        return answer

    def _mounted(self, path: str) -> tuple[bytes, str] | None:
        if path in self._mounts:
            content, content_type = self._mounts[path]
            return (content if isinstance(content, bytes) else content.read_bytes()), content_type
        for prefix, (folder, _) in self._mounts.items():
            if prefix.endswith("/") and path.startswith(prefix) and isinstance(folder, Path):
                file = (folder / path[len(prefix) :]).resolve()
                if file.is_file() and file.is_relative_to(folder.resolve()):
                    return file.read_bytes(), mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        return None

    async def _forward(self, path: str, asked: Asked) -> Answer:
        assert self._session is not None
        try:
            async with self._session.request(
                asked.method,
                URL(f"{self.upstream}{path}", encoded=True),  # Byte for byte as the browser wrote it.
                headers=asked.headers,
                data=asked.body or None,
                allow_redirects=False,
                skip_auto_headers=("User-Agent", "Accept-Encoding", "Content-Type"),
            ) as answer:
                body = await answer.read()
                return Answer(answer.status, _without(answer.headers, _HOP_BY_HOP), body)
        except (ClientError, asyncio.TimeoutError) as error:
            text = f"pytest-sharedworker's gateway cannot reach the server {self.upstream}: {error!r}"
            return Answer(502, CIMultiDict({"Content-Type": "text/plain"}), text.encode())

    # --- worker scripts ---------------------------------------------------------------------------

    def _wants_worker_script(self, request: web.Request) -> bool:
        # Modules that a worker imports are fetched with mode "cors" (HTML, "fetch a module worker script
        # graph": only the top-level script has mode "same-origin").
        destination = request.headers.get("Sec-Fetch-Dest")
        if destination is not None:
            return destination == "sharedworker" and request.headers.get("Sec-Fetch-Mode") == "same-origin"
        return any(pattern.matches(request.method, request.path) for pattern in self.worker_scripts)

    def _with_prologue(self, script: bytes, headers: CIMultiDict[str]) -> bytes:
        prologue = self.prologue()
        if prologue is None:
            return script
        for name in ("ETag", "Last-Modified", "Cache-Control"):
            headers.popall(name, None)
        headers["Cache-Control"] = "no-store"
        _allow_control(headers, self._control.port)
        if not has_static_imports(script):
            directive = b'"use strict"; ' if is_strict(script) else b""
            return directive + prologue.encode() + b" " + script
        path = f"{OWN_PREFIX}prologue-{len(self._own)}.js"
        self._own[path] = prologue
        return f'import "{path}"; '.encode() + script

    def _answer_own(self, request: web.Request) -> web.Response:
        text = self._own.get(request.path)
        if text is None:
            return web.Response(status=404)
        response = web.Response(text=text, content_type="text/javascript")
        response.headers["Cache-Control"] = "no-store"
        response.force_close()
        return response

    # --- sending ----------------------------------------------------------------------------------

    async def _send(
        self,
        request: web.Request,
        exchange: Exchange,
        status: int,
        headers: Mapping[str, str],
        body: bytes,
        toxics: list[Toxic],
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=status, headers=CIMultiDict(headers))
        response.force_close()
        if status not in (204, 304):
            response.content_length = len(body)
        exchange.response_headers = CIMultiDict(headers)
        exchange.answered_seconds = self.journal.seconds()
        await response.prepare(request)
        exchange.status = status
        if request.method == "HEAD" or status in (204, 304):
            await response.write_eof()
            return response
        shaping = {toxic.name: toxic.attributes for toxic in toxics}
        limit = shaping.get("limit_data", {}).get("bytes")
        sent = body if limit is None else body[:limit]
        exchange.answer = sent
        for piece, delay_ms in _pieces(sent, shaping):
            if delay_ms:
                await self._pause(exchange, delay_ms)
            await response.write(piece)
        if len(sent) < len(body):
            await response.drain()
            self._close(request, reset=True)
        if "slow_close" in shaping:
            await self._pause(exchange, shaping["slow_close"]["delay_ms"])
        await response.write_eof()
        return response


def _pieces(body: bytes, shaping: Mapping[str, Mapping[str, Any]]) -> list[tuple[bytes, float]]:
    """Cut a body as slicer and bandwidth want it: pieces, each with the delay in ms before it."""
    size = int(shaping.get("slicer", {}).get("average_size", 0)) or 16 * 1024
    delay_ms = shaping.get("slicer", {}).get("delay_ms", 0)
    rate = shaping.get("bandwidth", {}).get("rate_kib_per_second")
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return [(piece, delay_ms + (len(piece) / 1024 / rate * 1000 if rate else 0)) for piece in pieces]


def _own_answer(toxic: Toxic) -> tuple[int, CIMultiDict[str], bytes]:
    body = toxic.attributes["body"]
    headers = CIMultiDict({"Content-Type": "application/json", **toxic.attributes["headers"]})
    return toxic.attributes["status"], headers, body if isinstance(body, bytes) else body.encode()


def _without(headers: Mapping[str, str], names: Collection[str]) -> CIMultiDict[str]:
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in names)


def _parse_tag(tag: str | None) -> tuple[str | None, int | None, float | None]:
    if tag is None:
        return None, None, None
    worker_id, number, virtual_ms = tag.split(".", 2)
    return worker_id, int(number), float(virtual_ms) / 1000


def _allow_control(headers: CIMultiDict[str], port: int) -> None:
    """Let a worker under a Content-Security-Policy reach the control channel, and nothing else."""
    # Several headers, or one with commas, are as many policies, and all of them count.
    lines = headers.popall("Content-Security-Policy", [])
    for policy in (policy for line in lines for policy in line.split(",")):
        headers.add("Content-Security-Policy", _with_control(policy, port))


def _with_control(policy: str, port: int) -> str:
    directives = [directive.strip() for directive in policy.split(";") if directive.strip()]
    names = [directive.split()[0].lower() for directive in directives]
    sources = f"http://*:{port} ws://*:{port}"
    if "connect-src" in names:
        index = names.index("connect-src")
        words = [word for word in directives[index].split()[1:] if word != "'none'"]
        directives[index] = " ".join(["connect-src", *words, sources])
    elif "default-src" in names:
        words = [word for word in directives[names.index("default-src")].split()[1:] if word != "'none'"]
        directives.append(" ".join(["connect-src", *words, sources]))
    return "; ".join(directives)
