"""Where the configuration comes from: a file, a URL, or nowhere.

Each source gives the configuration that holds now, and never raises: what cannot be read is disabled.
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

SERVER_VERSION = "0.1.0"
"""What `{version}` in a configuration URL stands for."""

GOOD_ANSWER_SECONDS = 3 * 60 * 60
"""How long an answer is used before the URL is asked again: the protocol's figure."""

FAILED_ANSWER_SECONDS = 30
"""How long a failure is. Kept for as long as a good answer, one bad minute would silence an afternoon."""

FETCH_TIMEOUT_SECONDS = 1.0
"""The whole of one fetch, from the connection to the last byte: the protocol's figure."""

MAX_SOURCE_BYTES = 1024 * 1024
"""More than this is not a configuration."""

logger = logging.getLogger(__name__)


class ConfigurationSource(Protocol):
    """Anything that knows the configuration."""

    async def current(self) -> Configuration:
        """Give the configuration that holds now."""


def source_of(config: str | Path | None) -> ConfigurationSource:
    """Choose the source for what a person wrote: an http(s) URL, else a file's path, None for no source."""
    if config is None:
        return NoSource()
    if isinstance(config, str) and config.startswith(("http://", "https://")):
        return UrlSource(config)
    return FileSource(Path(config))


class NoSource:
    """No configuration at all, which the protocol takes for: disabled."""

    async def current(self) -> Configuration:
        """Give the values of a missing configuration."""
        return Configuration()


class FileSource:
    """A JSON file, read anew for every request.

    Reading a few hundred bytes costs less than the request around it, and sees every change. A cache by
    modification time and size would miss a second change of the same length within one tick of the clock.
    Whoever changes the file under a running server replaces it by a rename, so that no half file is read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reader = _Reader(str(path))

    async def current(self) -> Configuration:
        """Give what stands in the file now."""
        try:
            return self._reader.parse(self._read())
        except ConfigurationUnreadableError as error:
            return self._reader.failed(error)

    def _read(self) -> bytes:
        try:
            if not self._path.is_file():  # a pipe or a directory would block, or be read to no end
                raise ConfigurationUnreadableError("there is no such file")
            with self._path.open("rb") as file:
                text = file.read(MAX_SOURCE_BYTES + 1)
        except OSError as error:
            raise ConfigurationUnreadableError(error.strerror or str(error)) from error
        return _checked_size(text)


class UrlSource:
    """A URL, fetched when the last answer has aged, by one request at a time however many wait for it."""

    def __init__(
        self,
        url: str,
        *,
        monotonic_seconds: Callable[[], float] = time.monotonic,
        fetch_timeout_seconds: float = FETCH_TIMEOUT_SECONDS,
    ) -> None:
        self._url = url.replace("{version}", SERVER_VERSION)
        self._reader = _Reader(self._url)
        self._monotonic_seconds = monotonic_seconds
        self._fetch_timeout_seconds = fetch_timeout_seconds
        self._one_at_a_time = asyncio.Lock()
        self._configuration = Configuration()
        self._good_until_seconds = -float("inf")

    async def current(self) -> Configuration:
        """Give the last answer while it is young enough, else ask the URL."""
        async with self._one_at_a_time:
            if self._monotonic_seconds() >= self._good_until_seconds:
                try:
                    self._configuration = self._reader.parse(await self._fetch())
                    seconds = GOOD_ANSWER_SECONDS
                except ConfigurationUnreadableError as error:
                    self._configuration = self._reader.failed(error)
                    seconds = FAILED_ANSWER_SECONDS
                self._good_until_seconds = self._monotonic_seconds() + seconds
            return self._configuration

    async def _fetch(self) -> bytes:
        timeout = aiohttp.ClientTimeout(total=self._fetch_timeout_seconds)
        text = bytearray()
        try:
            async with aiohttp.ClientSession(timeout=timeout) as session, session.get(self._url) as answer:
                if answer.status != 200:
                    raise ConfigurationUnreadableError(f"it was answered with status {answer.status}")
                async for chunk in answer.content.iter_any():
                    text += chunk
                    _checked_size(text)
        except asyncio.TimeoutError as error:
            raise ConfigurationUnreadableError(
                f"no answer within {self._fetch_timeout_seconds:g} s"
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise ConfigurationUnreadableError(str(error) or type(error).__name__) from error
        return bytes(text)


class _Reader:
    """Parses a source's text and logs what is wrong with it, each thing once until the source changes."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._reported: set[str] = set()

    def parse(self, text: bytes) -> Configuration:
        configuration, problems = parse_configuration(text)
        self._report(problems)
        return configuration

    def failed(self, error: ConfigurationUnreadableError) -> Configuration:
        self._report([f"{error}: telemetry is disabled"])
        return Configuration()

    def _report(self, problems: list[str]) -> None:
        for problem in problems:
            if problem not in self._reported:
                logger.warning("configuration %s: %s", self._source, problem)
        self._reported = set(problems)


def _checked_size(text: bytes | bytearray) -> bytes:
    if len(text) > MAX_SOURCE_BYTES:
        raise ConfigurationUnreadableError(f"it is larger than {MAX_SOURCE_BYTES} bytes")
    return bytes(text)
