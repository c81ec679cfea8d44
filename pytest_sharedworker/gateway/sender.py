"""Who sent a request: a worker, a tab, or a sender that is unknown.

A worker with a prologue announces its requests on the control channel (see injected/announcements.js), and
sends them unchanged. A request that was not announced is a worker's if its Referer is a worker's script.
A preflight has the sender of the request that it precedes.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import urldefrag, urljoin, urlsplit

from aiohttp import web
from yarl import URL

from pytest_sharedworker.control.announced_requests import AnnouncedRequest
from pytest_sharedworker.control.server import ControlServer
from pytest_sharedworker.control.session import ControlChannel
from pytest_sharedworker.gateway.exchange import Exchange, Sender
from pytest_sharedworker.gateway.messages import RawResponse
from pytest_sharedworker.gateway.request_parser import get_proxied_origin
from pytest_sharedworker.gateway.worker_scripts import WorkerScripts
from pytest_sharedworker.gateway.worker_support import WorkerSupport
from pytest_sharedworker.injected.prologue import SOCKET_PARAMETER
from pytest_sharedworker.integration.time_limits import time_limit

EXPECTED_SECONDS = 1.0
"""How long a request that looks like a worker's waits for its announcement on the other connection.

Less where the worker answers that it has not announced it: another worker may run the same script.
"""

UNLIKELY_SECONDS = 0.1
"""The same for a request that may as well be somebody else's."""

REPEATED_SECONDS = 0.05
"""The same for a request that the browser may repeat by itself, because its first attempt was lost."""

_REDIRECTS = (301, 302, 303, 307, 308)
_REQUESTED_METHOD = "Access-Control-Request-Method"


class Opener(NamedTuple):
    """The worker that opens a WebSocket, and its number of that."""

    worker_id: str
    number: int


def take_opener(request: web.Request) -> tuple[web.Request, Opener | None]:
    """Return a request without the parameter in the URL of a worker's WebSocket, and what that says."""
    target, opener = split_socket_url(request.raw_path)
    worker_id, _, number = opener.partition(".")
    if "Upgrade" not in request.headers or not number.isdecimal():
        return request, None
    return request.clone(rel_url=URL(target, encoded=True)), Opener(worker_id, int(number))


def split_socket_url(url: str) -> tuple[str, str]:
    """Return the URL of a WebSocket without that parameter, and its value, "" where there is none."""
    target, mark, opener = url.rpartition(f"{SOCKET_PARAMETER}=")
    return (target[:-1], opener) if mark else (url, "")


class Identity(NamedTuple):
    """Who sent a request, with the worker's id and its announcement where they are known."""

    sender: Sender
    worker_id: str | None = None
    announced: AnnouncedRequest | None = None
    reconnects: bool = False
    """Whether the browser connects an event stream again, at an unknown virtual time."""

    @property
    def request_number(self) -> int | None:
        """The worker's number of the request."""
        return self.announced.number if self.announced is not None else None

    @property
    def virtual_time(self) -> float | None:
        """The worker's virtual time of the request."""
        return None if self.announced is None or self.reconnects else self.announced.virtual_time


class SenderIdentification:
    """Finds the sender of each request of one gateway."""

    def __init__(self, scripts: WorkerScripts, workers: WorkerSupport, control: ControlServer) -> None:
        self._scripts = scripts
        self._workers = workers
        self._control = control
        self._exchanges: dict[AnnouncedRequest, Exchange] = {}

    async def identify(self, request: web.Request, opener: Opener | None = None) -> Identity:
        """Return who sent a request; wait for its announcement where there may be one."""
        if opener is not None:
            return await self._identify_opener(opener)
        channels = [channel for channel in self._control.list_channels() if _is_at(channel, request)]
        identity = None
        if channels and is_preflight(request):
            identity = self._match(request, channels, takes=False)
        elif channels and _may_be_announced(request):
            identity = self._match(request, channels)
            lost = self._find_lost(request, channels)
            seconds = REPEATED_SECONDS if lost else _get_patience(request, channels)
            if identity is None and seconds:
                identity = await self._wait(request, channels, seconds) or lost
        return identity or self._identify_by_referer(request)

    async def _identify_opener(self, opener: Opener) -> Identity:
        """Return the worker that opens a WebSocket, when it has announced that."""
        channel = self._control.get_channel(opener.worker_id)
        if channel is None:
            return Identity("worker", opener.worker_id)
        with suppress(asyncio.TimeoutError):
            async with time_limit(EXPECTED_SECONDS):
                await channel.changes.wait_until(lambda: channel.requests.find(opener.number) is not None)
        announced = channel.requests.find(opener.number)
        if announced is not None:
            announced.take()
        return Identity("worker", opener.worker_id, announced)

    def note(self, identity: Identity, exchange: Exchange) -> None:
        """Note the exchange of an announced request."""
        if identity.announced is not None:
            self._exchanges[identity.announced] = exchange

    def follow_redirect(self, identity: Identity, exchange: Exchange, response: RawResponse) -> None:
        """Expect the request that follows a redirect; to another origin it comes only by the proxy."""
        location = response.headers.get("Location")
        announced = identity.announced
        is_redirect = response.status in _REDIRECTS and exchange.method == (announced and announced.method)
        if not is_redirect or not location or announced is None:
            return
        channel = self._control.get_channel(identity.worker_id or "")
        base = f"{urlsplit(exchange.url).scheme}://{announced.host}"
        url = urlsplit(urljoin(base + announced.target, location))
        if channel is None:
            return
        method = exchange.method
        is_post = method == "POST" and response.status in (301, 302)
        if is_post or (response.status == 303 and method not in ("GET", "HEAD")):
            method = "GET"
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        channel.expect_redirect(announced, method, url.scheme, url.netloc, target)

    async def _wait(
        self, request: web.Request, channels: list[ControlChannel], seconds: float
    ) -> Identity | None:
        found: list[Identity] = []
        changes = channels[0].changes
        # What a worker has not announced by its answer is not its request.
        answers = asyncio.ensure_future(_catch_up(channels))
        answers.add_done_callback(lambda _: changes.notify())

        def is_decided() -> bool:
            is_last_look = answers.done()
            identity = self._match(request, channels)
            found.extend([identity] if identity else [])
            return bool(found) or is_last_look

        try:
            async with time_limit(seconds):
                await changes.wait_until(is_decided)
        except asyncio.TimeoutError:
            return None
        finally:
            answers.cancel()
        return found[0] if found else None

    def _match(
        self, request: web.Request, channels: list[ControlChannel], *, takes: bool = True
    ) -> Identity | None:
        """Return the sender of an announced request, and take the announcement if it `takes`."""
        candidates = [
            (each.order, channel.id, each)
            for channel in channels
            for each in channel.requests
            if not each.is_taken and _is_same(request, channel, each)
        ]
        if not candidates:
            return None
        _, worker_id, announced = min(candidates, key=lambda candidate: candidate[0])
        if takes:
            announced.take()
        return Identity("worker", worker_id, announced)

    def _find_lost(self, request: web.Request, channels: list[ControlChannel]) -> Identity | None:
        """Return the sender of the same request, if that got no complete response or was an event stream."""
        for channel in channels:
            for announced in channel.requests:
                exchange = self._exchanges.get(announced)
                if exchange is None or not exchange.ended or not _is_same(request, channel, announced):
                    continue
                if _is_event_stream(request):
                    return Identity("worker", channel.id, announced, reconnects=True)
                if exchange.status is None or exchange.cut:
                    return Identity("worker", channel.id, announced)
        return None

    def _identify_by_referer(self, request: web.Request) -> Identity:
        referer = request.headers.get("Referer")
        if referer is None:
            is_navigation = request.headers.get("Sec-Fetch-Mode") == "navigate"
            return Identity("tab" if is_navigation else "unknown")
        if not self._scripts.is_referred_by(referer):
            return Identity("tab")
        return Identity("worker", self._workers.worker_at(referer))


async def _catch_up(channels: list[ControlChannel]) -> None:
    """Return when all that workers have sent so far has come."""
    alive = (channel.catch_up() for channel in channels if not channel.ended)
    await asyncio.gather(*alive, return_exceptions=True)


def _is_at(channel: ControlChannel, request: web.Request) -> bool:
    """Return whether a worker may have sent a request: it is at its origin, or comes from there."""
    if _is_at_home(channel, request):
        return True
    if get_proxied_origin(request) is None:
        return False
    origin, referer = request.headers.get("Origin", ""), request.headers.get("Referer", "")
    is_opaque = channel.url.startswith("data:") and origin in ("", "null")  # It has no origin to show.
    is_imported = _is_script(request) and not referer and _is_inline(channel)
    return (
        urlsplit(origin).netloc == channel.host or _is_referrer(channel, referer) or is_opaque or is_imported
    )


def is_preflight(request: web.Request) -> bool:
    """Return whether a browser asks whether a request to another origin is allowed."""
    return request.method == "OPTIONS" and _REQUESTED_METHOD in request.headers


def _may_be_announced(request: web.Request) -> bool:
    """Return whether a worker may have sent a request by fetch, XMLHttpRequest or importScripts."""
    is_handshake = "Upgrade" in request.headers
    return not is_handshake and (
        _is_script(request) or request.headers.get("Sec-Fetch-Dest", "empty") == "empty"
    )


def _is_script(request: web.Request) -> bool:
    return request.headers.get("Sec-Fetch-Dest") == "script"


def _is_event_stream(request: web.Request) -> bool:
    return "text/event-stream" in request.headers.get("Accept", "")


def _get_patience(request: web.Request, channels: list[ControlChannel]) -> float:
    """Return how many seconds a request waits for its announcement."""
    # A worker announces a script, and a request to another origin, synchronously: it has come already.
    if _is_script(request):
        return 0
    channels = [channel for channel in channels if _is_at_home(channel, request)]
    alive = [channel for channel in channels if not channel.ended]
    referer = request.headers.get("Referer")
    if referer is None:
        is_likely = alive and request.headers.get("Sec-Fetch-Site") == "same-origin"
        return UNLIKELY_SECONDS if is_likely or any(map(_is_inline, alive)) else 0
    referrers = [channel for channel in alive if _is_referrer(channel, referer)]
    if not referrers:
        return 0
    if all(map(_is_inline, referrers)):
        return UNLIKELY_SECONDS
    return EXPECTED_SECONDS if "Sec-Fetch-Dest" in request.headers else UNLIKELY_SECONDS


def _is_at_home(channel: ControlChannel, request: web.Request) -> bool:
    return channel.host == request.headers.get("Host")


def _is_same(request: web.Request, channel: ControlChannel, announced: AnnouncedRequest) -> bool:
    if _is_script(request) and announced.number is not None:
        return False  # That of a fetch: while a script is imported, the worker stands still.
    method = request.headers[_REQUESTED_METHOD] if is_preflight(request) else request.method
    is_same = (method, request.raw_path, request.headers.get("Host")) == (
        announced.method,
        announced.target,
        announced.host,
    )
    referer = request.headers.get("Referer")
    return is_same and (announced.has_own_referrer or referer is None or _is_referrer(channel, referer))


def _is_inline(channel: ControlChannel) -> bool:
    return not urlsplit(channel.url).netloc


def _is_referrer(channel: ControlChannel, referer: str) -> bool:
    """Return whether a worker sends this Referer by default, or by the policy of its script."""
    if _is_inline(channel):  # Firefox sends the URL of the page that started it, Chromium none.
        return urlsplit(referer).netloc == channel.host
    url = urlsplit(channel.url)
    return referer in (urldefrag(channel.url)[0], f"{url.scheme}://{url.netloc}/")
