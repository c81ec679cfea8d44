"""The sources of the configuration: a file, a URL, or none.

A source never raises: if it cannot be read, telemetry is disabled.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import aiohttp

from reference_server.config.model import Configuration, parse_configuration
from reference_server.errors import ConfigurationUnreadableError
from reference_server.version import SERVER_VERSION

SUCCESS_TTL_SECONDS = 3 * 60 * 60
"""How long a fetched configuration is used before the URL is fetched again: the protocol's figure."""

FAILURE_TTL_SECONDS = 30
"""How long a failed fetch is used. With a longer TTL, one bad minute would disable telemetry for hours."""

FETCH_TIMEOUT_SECONDS = 1.0
"""The limit of one fetch, from the connection to the last byte: the protocol's figure."""

MAX_SOURCE_BYTES = 1024 * 1024
"""A larger source is not a configuration."""

logger = logging.getLogger(__name__)


class ConfigurationSource(Protocol):
    """A source of the configuration."""

    async def get_current(self) -> Configuration:
        """Return the configuration in effect now."""


def create_source(config: str | Path | None) -> ConfigurationSource:
    """Create the source for an http(s) URL, a file's path, or None for no source."""
    if config is None:
        return NoSource()
    if isinstance(config, str) and config.startswith(("http://", "https://")):
        return UrlSource(config)
    return FileSource(Path(config))


class NoSource:
    """No configuration: telemetry is disabled."""

    async def get_current(self) -> Configuration:
        """Return the values of a missing configuration."""
        return Configuration()


class FileSource:
    """A JSON file, read for every request.

    Reading a few hundred bytes costs less than the request itself, and misses no change. A cache keyed by
    modification time and size would miss a second change of the same size within one tick of the clock.
    Replace the file of a running server by a rename, so that the server never reads half a file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._parser = _LoggingParser(str(path))

    async def get_current(self) -> Configuration:
        """Return the configuration that the file holds now."""
        try:
            return self._parser.parse(self._read())
        except ConfigurationUnreadableError as error:
            return self._parser.disable(error)

    def _read(self) -> bytes:
        try:
            if not self._path.is_file():  # a pipe or a directory would block, or have no end
                raise ConfigurationUnreadableError("no such file")
            with self._path.open("rb") as file:
                text = file.read(MAX_SOURCE_BYTES + 1)
        except OSError as error:
            raise ConfigurationUnreadableError(error.strerror or str(error)) from error
        _check_size(text)
        return text


class UrlSource:
    """A URL, fetched again when the last result has expired. Concurrent requests share one fetch."""

    def __init__(
        self,
        url: str,
        *,
        monotonic_seconds: Callable[[], float] = time.monotonic,
        fetch_timeout_seconds: float = FETCH_TIMEOUT_SECONDS,
    ) -> None:
        self._url = url.replace("{version}", SERVER_VERSION)
        self._parser = _LoggingParser(self._url)
        self._monotonic_seconds = monotonic_seconds
        self._fetch_timeout_seconds = fetch_timeout_seconds
        self._fetch_lock = asyncio.Lock()
        self._configuration = Configuration()
        self._expires_at_seconds = -float("inf")

    async def get_current(self) -> Configuration:
        """Return the last result until it expires, then fetch the URL again."""
        async with self._fetch_lock:
            if self._monotonic_seconds() >= self._expires_at_seconds:
                try:
                    self._configuration = self._parser.parse(await self._fetch())
                    ttl_seconds = SUCCESS_TTL_SECONDS
                except ConfigurationUnreadableError as error:
                    self._configuration = self._parser.disable(error)
                    ttl_seconds = FAILURE_TTL_SECONDS
                self._expires_at_seconds = self._monotonic_seconds() + ttl_seconds
            return self._configuration

    async def _fetch(self) -> bytes:
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
        except (aiohttp.ClientError, OSError) as error:
            raise ConfigurationUnreadableError(str(error) or type(error).__name__) from error
        return bytes(text)


class _LoggingParser:
    """Parses the text of a source, and logs each problem once until the problems change."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._logged: set[str] = set()

    def parse(self, text: bytes) -> Configuration:
        configuration, problems = parse_configuration(text)
        self._log(problems)
        return configuration

    def disable(self, error: ConfigurationUnreadableError) -> Configuration:
        self._log([f"{error}: telemetry is disabled"])
        return Configuration()

    def _log(self, problems: list[str]) -> None:
        for problem in problems:
            if problem not in self._logged:
                logger.warning("configuration %s: %s", self._source, problem)
        self._logged = set(problems)


def _check_size(text: bytes | bytearray) -> None:
    if len(text) > MAX_SOURCE_BYTES:
        raise ConfigurationUnreadableError(f"larger than {MAX_SOURCE_BYTES} bytes")
