"""Readiness: whether a batch would be stored now, or its worker told to stop.

Liveness is `/health`, which asks nothing of the store: a restart of the server does not mend a full disk.
"""

import asyncio
import time
from collections.abc import Callable

from aiohttp import web

from reference_server.api.responses import ReadyResponse, create_response
from reference_server.api.telemetry import load_configuration
from reference_server.errors import StoreUnavailableError
from reference_server.storage.store import Store

RESULT_SECONDS = 1.0
"""How long a result is used. Anybody may ask; each check commits a write."""

CHECK_TIMEOUT_SECONDS = 5.0
"""The longest wait for the store, which batches may keep busy or another process lock."""


class Readiness:
    """Checks the store, at most once a second. Concurrent requests share one check."""

    def __init__(self, store: Store, *, monotonic_seconds: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._monotonic_seconds = monotonic_seconds
        self._check: asyncio.Task[None] | None = None
        self._expires_at_seconds = -float("inf")

    async def require_store(self) -> None:
        """Raise StoreUnavailableError if the store could not store a record now."""
        if self._check is None or (
            self._check.done() and self._monotonic_seconds() >= self._expires_at_seconds
        ):
            self._check = asyncio.create_task(self._run())
        done, _ = await asyncio.wait([self._check], timeout=CHECK_TIMEOUT_SECONDS)
        if not done:
            raise StoreUnavailableError(f"no answer within {CHECK_TIMEOUT_SECONDS:g} s")
        self._check.result()

    async def close(self) -> None:
        """Wait for a check that has begun."""
        if self._check is not None:
            await asyncio.wait([self._check])

    async def _run(self) -> None:
        try:
            await self._store.check_writable()
        finally:
            self._expires_at_seconds = self._monotonic_seconds() + RESULT_SECONDS


READINESS = web.AppKey("readiness", Readiness)


async def get_ready(request: web.Request) -> web.Response:
    """Respond with 200 if a batch would not get 503. Raise what it would get."""
    configuration = await load_configuration(request.app)
    if not configuration.disable_ui_telemetry:
        await request.app[READINESS].require_store()
    return create_response(ReadyResponse("ready"))
