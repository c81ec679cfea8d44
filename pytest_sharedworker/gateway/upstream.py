"""Upstream: what answers where nobody interferes, a mounted file or the server under test."""

from __future__ import annotations

import asyncio
import mimetypes
from pathlib import Path
from typing import TypeAlias

from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar
from multidict import CIMultiDict
from yarl import URL

from pytest_sharedworker.errors import GatewayError
from pytest_sharedworker.gateway.event_streams import EventStream
from pytest_sharedworker.gateway.exchange import Exchange
from pytest_sharedworker.gateway.forwarding import ask_server
from pytest_sharedworker.gateway.headers import HOP_BY_HOP, without
from pytest_sharedworker.gateway.route import Response, UpstreamRequest
from pytest_sharedworker.gateway.websockets import SocketBridge

TIMEOUT_SECONDS = 60

StreamingProxy: TypeAlias = "SocketBridge | EventStream"
"""What goes on after the server's first answer."""


def _plain(status: int, text: str) -> Response:
    return Response(status, CIMultiDict({"Content-Type": "text/plain"}), text.encode())


class Upstream:
    """Mounted content first, then the server at `origin` (None: there is none)."""

    def __init__(self, origin: str | None) -> None:
        self.origin = origin.rstrip("/") if origin else None
        self._mounts: dict[str, tuple[Path | bytes, str]] = {}
        self._rewrites: dict[str, str] = {}
        self._session: ClientSession | None = None

    async def open(self) -> None:
        """Get ready to ask the server."""
        self._session = ClientSession(
            auto_decompress=False, cookie_jar=DummyCookieJar(), timeout=ClientTimeout(TIMEOUT_SECONDS)
        )

    async def close(self) -> None:
        """Close the connections to the server. Idempotent."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def mount(self, path: str, content: Path | bytes | str, content_type: str | None = None) -> None:
        """Serve a file, the files of a directory, or bytes under `path`.

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

    def rewrite(self, path: str, upstream_path: str) -> None:
        """Ask the server for `upstream_path` where the browser asks for `path`; the query stays.

        The journal, toxics and routes know the path that the browser asked for. Raises GatewayError.
        """
        for each in (path, upstream_path):
            if not each.startswith("/") or set(each) & set("?#"):
                raise GatewayError(f"cannot rewrite {path!r} to {upstream_path!r}: both are plain paths")
        self._rewrites[path] = upstream_path

    async def ask(
        self, path: str, exchange: Exchange, asked: UpstreamRequest, lasting: StreamingProxy | None = None
    ) -> Response:
        """The answer where no route interferes: a mounted file's, or the server's, by `lasting` if given."""
        mounted = self._mounted(path)
        if mounted is not None:
            body, kind = mounted
            headers = CIMultiDict({"Content-Type": kind, "Cache-Control": "no-store"})
            return Response(200, headers, body)
        if self.origin is None:
            return _plain(404, "nothing is mounted here")
        assert self._session is not None
        try:
            if lasting is not None:
                answer = await lasting.open(self._session, self._url(exchange), asked)
            else:
                answer = await self._forward(self._session, self._url(exchange), asked)
        except (ClientError, asyncio.TimeoutError) as error:
            text = f"pytest-sharedworker's gateway cannot reach the server {self.origin}: {error!r}"
            answer = _plain(502, text)
        exchange.upstream_status, exchange.upstream_response_body = answer.status, answer.body
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

    def _url(self, exchange: Exchange) -> URL:
        path, mark, query = exchange.path.partition("?")
        # Byte for byte as the browser wrote it.
        return URL(f"{self.origin}{self._rewrites.get(path, path)}{mark}{query}", encoded=True)

    async def _forward(self, session: ClientSession, url: URL, asked: UpstreamRequest) -> Response:
        async with await ask_server(session, url, asked) as answer:
            body = await answer.read()
            headers = without(answer.headers, HOP_BY_HOP)
            if asked.method == "HEAD" and "Content-Length" in answer.headers:
                headers["Content-Length"] = answer.headers["Content-Length"]  # Of the body that GET has.
            return Response(answer.status, headers, body)
