"""The sources of the configuration: a file, a URL, or none.

While a source cannot be read, the last configuration that could be read holds: see `LastGood`.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import aiohttp

from reference_server.config.last_good import LastGood
from reference_server.config.model import Configuration, parse_configuration
from reference_server.errors import ConfigurationUnknownError, ConfigurationUnreadableError
from reference_server.version import SERVER_VERSION

SUCCESS_TTL_SECONDS = 3 * 60 * 60
"""How long a fetched configuration is used before the URL is fetched again: the protocol's figure."""

FAILURE_TTL_SECONDS = 30
"""The pause between a failed fetch and the next one."""

FETCH_WAIT_SECONDS = 1.0
"""How long requests wait for a fetch: the protocol's figure. A longer fetch goes on without them."""

FETCH_TIMEOUT_SECONDS = 15.0
"""The limit of one fetch, from the connection to the last byte."""

MAX_SOURCE_BYTES = 1024 * 1024
"""A larger source is not a configuration."""

USUAL_SOURCE_BYTES = 4 * 1024
"""What is read of a file at first: to make room for MAX_SOURCE_BYTES takes longer than to read this."""

logger = logging.getLogger(__name__)


class ConfigurationSource(Protocol):
    """A source of the configuration."""

    async def get_current(self) -> Configuration:
        """Return the configuration in effect now. Raise ConfigurationUnknownError if there is none."""

    async def close(self) -> None:
        """Stop what runs in the background."""


def create_source(config: str | Path | None, last_good_file: Path | None = None) -> ConfigurationSource:
    """Create the source for an http(s) URL, a file's path, or None for no source.

    last_good_file: where the last configuration is kept for the next start.
    """
    if config is None:
        return NoSource()
    if isinstance(config, str) and config.startswith(("http://", "https://")):
        url = config.replace("{version}", SERVER_VERSION)
        return UrlSource(url, LastGood(url, last_good_file))
    path = Path(config)
    return FileSource(path, LastGood(str(path.absolute()), last_good_file))


class NoSource:
    """No source: whether telemetry is enabled is unknown."""

    async def get_current(self) -> Configuration:
        """Raise ConfigurationUnknownError."""
        raise ConfigurationUnknownError("the server was started without a configuration")

    async def close(self) -> None:
        """Do nothing."""


class FileSource:
    """A JSON file, read for every request.

    Reading a few hundred bytes costs less than the request itself, and misses no change. A cache keyed by
    modification time and size would miss a second change of the same size within one tick of the clock.
    """

    def __init__(self, path: Path, last_good: LastGood) -> None:
        self._path = path
        self._parser = _Parser(str(path), last_good)

    async def get_current(self) -> Configuration:
        """Return the configuration that the file holds now, or the last one while it holds none."""
        try:
            return self._parser.parse(self._read())
        except ConfigurationUnreadableError as error:
            return self._parser.get_last_good(error)

    async def close(self) -> None:
        """Do nothing: the file is closed after each read."""

    def _read(self) -> bytes:
        try:
            if not self._path.is_file():  # a pipe or a directory would block, or have no end
                raise ConfigurationUnreadableError("no such file")
            with self._path.open("rb", buffering=0) as file:  # a buffer takes three more calls of the system
                text = file.read(USUAL_SOURCE_BYTES)
                if len(text) == USUAL_SOURCE_BYTES:
                    text += file.read(MAX_SOURCE_BYTES + 1 - USUAL_SOURCE_BYTES)
        except OSError as error:
            raise ConfigurationUnreadableError(error.strerror or str(error)) from error
        _check_size(text)
        return text


class UrlSource:
    """A URL, fetched again when the last result has expired. Concurrent requests share one fetch."""

    def __init__(
        self,
        url: str,
        last_good: LastGood,
        *,
        monotonic_seconds: Callable[[], float] = time.monotonic,
        fetch_wait_seconds: float = FETCH_WAIT_SECONDS,
        fetch_timeout_seconds: float = FETCH_TIMEOUT_SECONDS,
    ) -> None:
        self._url = url
        self._parser = _Parser(url, last_good)
        self._monotonic_seconds = monotonic_seconds
        self._fetch_wait_seconds = fetch_wait_seconds
        self._fetch_timeout_seconds = fetch_timeout_seconds
        self._fetch: asyncio.Task[None] | None = None
        self._wait_until_seconds = 0.0
        self._error: ConfigurationUnreadableError | ConfigurationUnknownError | None = None
        self._configuration: Configuration | None = None
        self._expires_at_seconds = -float("inf")

    async def get_current(self) -> Configuration:
        """Return the last result until it expires, then fetch the URL again."""
        if self._fetch is None and self._monotonic_seconds() >= self._expires_at_seconds:
            self._wait_until_seconds = asyncio.get_running_loop().time() + self._fetch_wait_seconds
            self._fetch = asyncio.create_task(self._refresh())
        if self._fetch is not None:
            remaining = self._wait_until_seconds - asyncio.get_running_loop().time()
            await asyncio.wait([self._fetch], timeout=max(0.0, remaining))
        if self._configuration is not None:
            return self._configuration
        if isinstance(self._error, ConfigurationUnknownError):
            raise ConfigurationUnknownError(str(self._error))
        slow = ConfigurationUnreadableError(f"no response within {self._fetch_wait_seconds:g} s")
        return self._parser.get_last_good(self._error or slow)

    async def close(self) -> None:
        """Cancel a fetch that has not ended."""
        if self._fetch is not None:
            self._fetch.cancel()
            await asyncio.wait([self._fetch])

    async def _refresh(self) -> None:
        """Fetch the URL once. After a failure the last good configuration holds, for a limited time."""
        try:
            self._configuration = self._parser.parse(await self._download())
            self._error = None
            ttl_seconds = SUCCESS_TTL_SECONDS
        except (ConfigurationUnreadableError, ConfigurationUnknownError) as error:
            self._configuration = None
            self._error = error
            ttl_seconds = FAILURE_TTL_SECONDS
        finally:
            self._fetch = None
        self._expires_at_seconds = self._monotonic_seconds() + ttl_seconds

    async def _download(self) -> bytes:
        timeout = aiohttp.ClientTimeout(total=self._fetch_timeout_seconds)
        text = bytearray()
        try:
            async with aiohttp.ClientSession(timeout=timeout) as session, session.get(self._url) as response:
                if response.status != 200:
                    raise ConfigurationUnreadableError(f"the response has status {response.status}")
                async for chunk in response.content.iter_any():
                    text += chunk
                    _check_size(text)
        except asyncio.TimeoutError as error:
            raise ConfigurationUnreadableError(
                f"no response within {self._fetch_timeout_seconds:g} s"
            ) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise ConfigurationUnreadableError(str(error) or type(error).__name__) from error
        return bytes(text)


class _Parser:
    """Parses the text of a source, keeps the result, and logs each problem once until the problems change."""

    def __init__(self, source: str, last_good: LastGood) -> None:
        self._source = source
        self._last_good = last_good
        self._logged: set[str] = set()
        self._parsed: tuple[bytes, Configuration, list[str]] | None = None
        """The last text that could be parsed, and its content: a file seldom changes between two requests."""

    def parse(self, text: bytes) -> Configuration:
        """Return the configuration in the text. Raise what `parse_configuration` raises."""
        if self._parsed is None or self._parsed[0] != text:
            try:
                self._parsed = text, *parse_configuration(text)
            except ConfigurationUnknownError as error:
                self._log([f"{error}: nothing is stored until it is clear whether telemetry is enabled"])
                raise
        _, configuration, problems = self._parsed
        self._log(problems)
        self._last_good.keep(configuration)
        return configuration

    def get_last_good(self, error: ConfigurationUnreadableError) -> Configuration:
        """Return the configuration that holds. Raise ConfigurationUnknownError if none does."""
        try:
            configuration = self._last_good.get()
        except ConfigurationUnknownError as unknown:
            self._log([f"{error}, and {unknown}: nothing is stored"])
            raise
        self._log([f"{error}: the last configuration that could be read holds"])
        return configuration

    def _log(self, problems: list[str]) -> None:
        for problem in problems:
            if problem not in self._logged:
                logger.warning("configuration %s: %s", self._source, problem)
        self._logged = set(problems)


def _check_size(text: bytes | bytearray) -> None:
    if len(text) > MAX_SOURCE_BYTES:
        raise ConfigurationUnreadableError(f"larger than {MAX_SOURCE_BYTES} bytes")
