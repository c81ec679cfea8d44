"""The server as an object: start it, ask it for its URL and its store, stop it."""

import os
import re
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType

from aiohttp import web
from yarl import URL

from reference_server.api.admission import DEFAULT_MAX_WAITING_BYTES, DEFAULT_MAX_WAITING_RECORDS, Admission
from reference_server.api.decoder import Decoder
from reference_server.api.metrics import METRICS, Metrics, count_requests
from reference_server.api.openapi import PREFIX
from reference_server.api.request_body import DEFAULT_BODY_TIMEOUT_SECONDS
from reference_server.api.routes import routes
from reference_server.api.static import FILES, WORKER_DIRECTORY, WorkerFiles
from reference_server.api.telemetry import ADMISSION, BODY_LIMITS, DECODER, ENVIRON, SOURCE, STORE, BodyLimits
from reference_server.config.sources import ConfigurationSource, FileSource, source_of
from reference_server.errors import errors_as_json
from reference_server.middleware.allowed_hosts import ANY_HOST, AllowedHosts, allowed_hosts_only
from reference_server.middleware.http_log import http_logger
from reference_server.middleware.same_origin import same_origin_only
from reference_server.middleware.security_headers import add_policies
from reference_server.storage.store import IN_MEMORY, SqliteStore, Store

DEFAULT_HOST = "127.0.0.1"
DEFAULT_MAX_BODY_BYTES = 8 * 1024 * 1024

STOP_SECONDS = 3.0
"""How long `stop()` lets requests finish whose body has come; one that is still being sent is cut off."""

LINGERING_SECONDS = 2.0
"""How long the rest of a refused body is read and thrown away, so that its sender gets to see the answer."""

_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*")


class ReferenceServer:
    """A telemetry server on one port of this machine.

    It is started and stopped by `start()` and `stop()`, or as an asynchronous context manager, and may be
    started again after it was stopped.

    host, port: where to listen; port 0 takes a free one.
    prefix: a path in front of every URL, such as `/app`.
    config: the configuration, a JSON file or an http(s) URL. Without one telemetry is disabled.
    database: an SQLite file, created when absent; by default records are kept in memory, until the stop.
    store: any other store, in place of `database`. The server opens and closes it.
    max_body: the largest body of a request, in bytes, as it comes and when it is unpacked.
    body_timeout_seconds: how long a body may take to come.
    max_waiting_records, max_waiting_bytes: how much may wait to be stored before batches are refused.
    allowed_hosts: the names in a request's header Host to which the server answers, without a port; see
        `AllowedHosts`. By default all: a program puts proxies in front of it, under names of their own. The
        command's default is `default_hosts`.
    environ: where the variables that opt out are looked up; by default the process's environment.
    worker_directory: the folder of the worker's modules.

    Raises ValueError for a prefix that cannot stand in a URL, for a limit that lets nothing pass, and for an
    allowed host that is none.
    """

    def __init__(
        self,
        *,
        host: str = DEFAULT_HOST,
        port: int = 0,
        prefix: str = "",
        config: str | Path | None = None,
        database: str | Path = IN_MEMORY,
        store: Store | None = None,
        max_body: int = DEFAULT_MAX_BODY_BYTES,
        body_timeout_seconds: float = DEFAULT_BODY_TIMEOUT_SECONDS,
        max_waiting_records: int = DEFAULT_MAX_WAITING_RECORDS,
        max_waiting_bytes: int = DEFAULT_MAX_WAITING_BYTES,
        allowed_hosts: Collection[str] = (ANY_HOST,),
        environ: Mapping[str, str] | None = None,
        worker_directory: str | Path = WORKER_DIRECTORY,
    ) -> None:
        self._prefix = "/" + prefix.strip("/") if prefix.strip("/") else ""
        if not _PREFIX.fullmatch(self._prefix):
            raise ValueError(f"prefix {prefix!r}: only letters, digits, '.', '_', '~', '-' between slashes")
        limits = {
            "max_body": max_body,
            "max_waiting_records": max_waiting_records,
            "max_waiting_bytes": max_waiting_bytes,
        }
        for name, limit in limits.items():
            if limit < 1:
                raise ValueError(f"{name} {limit}: has to be at least 1")
        if not 0 < body_timeout_seconds < float("inf"):
            raise ValueError(f"body_timeout_seconds {body_timeout_seconds}: has to be above 0")
        self._allowed_hosts = AllowedHosts(allowed_hosts)
        self._host = host
        self._port = port
        self._config = config
        self._body_limits = BodyLimits(max_body, body_timeout_seconds)
        self._max_waiting = max_waiting_records, max_waiting_bytes
        self._environ = os.environ if environ is None else environ
        self._worker_directory = Path(worker_directory)
        self._runner: web.AppRunner | None = None
        self.store: Store = SqliteStore(database) if store is None else store
        """What is stored; to be read while the server runs."""

    async def start(self) -> URL:
        """Open the store, listen, and give the base URL (see `url`).

        Raises OSError when the port cannot be had and StoreUnavailableError when the store cannot be opened.
        """
        if self._runner is not None:
            raise RuntimeError("the server runs already")
        source = source_of(self._config)
        if isinstance(source, FileSource):
            await source.current()  # logs at once what is wrong with the file
        self._runner = web.AppRunner(
            self._application(source),
            access_log=None,
            logger=http_logger,
            shutdown_timeout=STOP_SECONDS,
            lingering_time=LINGERING_SECONDS,
            auto_decompress=False,  # bodies are unpacked in `bodies.py`, to the limit and no further
        )
        try:
            await self.store.open()
            await self._runner.setup()
            await web.TCPSite(self._runner, self._host, self._port).start()
        except BaseException:
            await self.stop()
            raise
        return self.url

    @property
    def url(self) -> URL:
        """The base URL, prefix included, which ends in a slash. RuntimeError while the server is stopped."""
        if self._runner is None or not self._runner.addresses:
            raise RuntimeError("the server is not running")
        port: int = self._runner.addresses[0][1]
        return URL.build(scheme="http", host=self._host, port=port, path=f"{self._prefix}/")

    async def stop(self) -> None:
        """Refuse new requests, let begun ones finish, close the store. Stopping twice does nothing more."""
        runner, self._runner = self._runner, None
        if runner is None:
            return
        try:
            await runner.cleanup()
        finally:
            await self.store.close()

    async def __aenter__(self) -> "ReferenceServer":
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    def _application(self, source: ConfigurationSource) -> web.Application:
        app = web.Application(
            middlewares=[
                count_requests,
                errors_as_json,
                same_origin_only,
                allowed_hosts_only(self._allowed_hosts),
            ]
        )
        app.on_response_prepare.append(add_policies)
        app[SOURCE] = source
        app[PREFIX] = self._prefix
        app[ENVIRON] = self._environ
        app[STORE] = self.store
        app[BODY_LIMITS] = self._body_limits
        app[ADMISSION] = admission = Admission(*self._max_waiting)
        app[METRICS] = metrics = Metrics(self.store, admission)
        if isinstance(self.store, SqliteStore):
            self.store.observe_commit = metrics.committed
        app[DECODER] = decoder = Decoder(self._body_limits.max_bytes)
        app.on_cleanup.append(partial(_close, decoder))
        app[FILES] = WorkerFiles(self._worker_directory)
        app.add_routes(routes(self._prefix))
        return app


async def _close(decoder: Decoder, app: web.Application) -> None:
    decoder.close()
