"""The server as an object: start it, read its URL and its store, stop it."""

import asyncio
import os
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from aiohttp import web
from yarl import URL

from reference_server.api.application import Services, build_application
from reference_server.api.connections import Connection, Connections, LimitedSite
from reference_server.api.metrics import METRICS, check_token
from reference_server.api.static import WORKER_DIRECTORY
from reference_server.api.worker_files import WorkerFiles
from reference_server.config.environment import is_disabled_by_environment
from reference_server.config.sources import FileSource, create_source
from reference_server.errors import ConfigurationUnknownError
from reference_server.limits import (
    DEFAULT_BODY_TIMEOUT_SECONDS,
    DEFAULT_HEAD_TIMEOUT_SECONDS,
    DEFAULT_IDLE_TIMEOUT_SECONDS,
    DEFAULT_MAX_BODY_BYTES,
    DEFAULT_MAX_CONNECTIONS,
    DEFAULT_MAX_WAITING_BYTES,
    DEFAULT_MAX_WAITING_RECORDS,
    Limits,
)
from reference_server.middleware.allowed_hosts import ANY_HOST, AllowedHosts
from reference_server.middleware.http_log import http_logger
from reference_server.storage.guarded_database import IN_MEMORY
from reference_server.storage.sqlite import SqliteStore
from reference_server.storage.store import Store

DEFAULT_HOST = "127.0.0.1"

STOP_SECONDS = 3.0
"""How long `stop()` waits for requests whose body has arrived. A body that is still arriving is cut off."""

LINGERING_SECONDS = 2.0
"""How long the rest of a refused body is read and discarded, so that its sender can read the response."""

LAST_GOOD_SUFFIX = ".last-config.json"
"""What follows the database's name in the name of the file with the last configuration."""

_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)*")


class ReferenceServer:
    """A telemetry server on one local port.

    Call `start()` and `stop()`, or use it as an asynchronous context manager. It can be started again after
    a stop.

    host, port: the address to listen on; port 0 means any free port.
    prefix: a path before every URL, such as `/app`.
    config: the configuration, a JSON file or an http(s) URL. Until one could be read, and without it, every
        request gets 503: it is unknown whether telemetry is enabled. Afterwards the last one that could be
        read holds, for a week; a file beside the database keeps it over a restart.
    database: an SQLite file, created if missing. By default records are kept in memory until the stop.
    store: any other store, in place of `database`. The server opens and closes it.
    max_body, body_timeout_seconds, max_waiting_records, max_waiting_bytes, head_timeout_seconds,
        idle_timeout_seconds, max_connections: see `Limits`.
    allowed_hosts: the values of a request's header Host that the server responds to, without a port; see
        `AllowedHosts`. By default all: programs put proxies with other names in front of the server. The
        command's default is `get_default_hosts`.
    metrics_token: the token that requests for the metrics must carry; by default they need none.
    environ: the environment variables that may disable telemetry; by default those of the process.
    worker_directory: the directory of the worker's modules.

    Raise ValueError for a prefix that is not a URL path, for a limit that lets no request pass, for an
    allowed host that is not a host, and for a token that no header can hold.
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
        head_timeout_seconds: float = DEFAULT_HEAD_TIMEOUT_SECONDS,
        idle_timeout_seconds: float = DEFAULT_IDLE_TIMEOUT_SECONDS,
        max_connections: int = DEFAULT_MAX_CONNECTIONS,
        allowed_hosts: Collection[str] = (ANY_HOST,),
        metrics_token: str | None = None,
        environ: Mapping[str, str] | None = None,
        worker_directory: str | Path = WORKER_DIRECTORY,
    ) -> None:
        self._host = host
        self._port = port
        self._prefix = _normalize_prefix(prefix)
        self._config = config
        self._limits = Limits(
            max_body,
            body_timeout_seconds,
            max_waiting_records,
            max_waiting_bytes,
            head_timeout_seconds,
            idle_timeout_seconds,
            max_connections,
        )
        self._allowed_hosts = AllowedHosts(allowed_hosts)
        self._metrics_token = None if metrics_token is None else check_token(metrics_token)
        self._environ = os.environ if environ is None else environ
        self._files = WorkerFiles(Path(worker_directory))
        self._runner: web.AppRunner | None = None
        self.store: Store = SqliteStore(database) if store is None else store
        """The store; it can be read while the server runs."""

    async def start(self) -> URL:
        """Open the store, listen on the port and return the base URL (see `url`).

        Raise OSError if the port is not available and StoreUnavailableError if the store cannot be opened.
        """
        if self._runner is not None:
            raise RuntimeError("the server is already running")
        app = await self._build_application()
        self._runner = web.AppRunner(app, shutdown_timeout=STOP_SECONDS)
        try:
            await self.store.open(app[METRICS])
            await self._runner.setup()
            await self._create_site(self._runner).start()
        except BaseException:
            await self.stop()
            raise
        return self.url

    @property
    def url(self) -> URL:
        """The base URL with the prefix and a final slash. Raise RuntimeError while the server is stopped."""
        if self._runner is None or not self._runner.addresses:
            raise RuntimeError("the server is not running")
        port: int = self._runner.addresses[0][1]
        return URL.build(scheme="http", host=self._host, port=port, path=f"{self._prefix}/")

    async def stop(self) -> None:
        """Refuse new requests, finish current ones and close the store. Does nothing on a stopped server."""
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

    def _create_site(self, runner: web.AppRunner) -> LimitedSite:
        connections = Connections(self._limits)

        def create_connection() -> Connection:
            return Connection(
                connections,
                runner.server,
                loop=asyncio.get_running_loop(),
                access_log=None,
                logger=http_logger,
                keepalive_timeout=self._limits.idle_timeout_seconds,
                lingering_time=LINGERING_SECONDS,
                auto_decompress=False,  # `api.request_body` decompresses bodies, never beyond the limit
            )

        return LimitedSite(runner, self._host, self._port, connections, create_connection)

    def _get_last_good_file(self) -> Path | None:
        """Return where the last configuration is kept for the next start: beside the database."""
        path = self.store.path if isinstance(self.store, SqliteStore) else None
        return None if path is None else Path(f"{path}{LAST_GOOD_SUFFIX}")

    async def _build_application(self) -> web.Application:
        source = create_source(self._config, self._get_last_good_file())
        if isinstance(source, FileSource) and not is_disabled_by_environment(self._environ):
            with suppress(ConfigurationUnknownError):
                await source.get_current()  # logs problems of the file at the start
        return build_application(
            Services(
                prefix=self._prefix,
                source=source,
                environ=self._environ,
                store=self.store,
                limits=self._limits,
                allowed_hosts=self._allowed_hosts,
                files=self._files,
                metrics_token=self._metrics_token,
            )
        )


def _normalize_prefix(prefix: str) -> str:
    """Return the prefix as it stands in URLs: empty or like `/app`."""
    normalized = "/" + prefix.strip("/") if prefix.strip("/") else ""
    if not _PREFIX.fullmatch(normalized):
        raise ValueError(f"prefix {prefix!r}: only letters, digits, '.', '_', '~', '-' between slashes")
    return normalized
