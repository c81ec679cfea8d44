"""The last configuration that could be read, which holds while its source cannot be read.

A worker that is told `disabled` deletes what it has not sent, and never sends again. So a source that fails
for a moment must not disable telemetry. The configuration is kept in a file beside the database: it also
survives a restart of the server during the failure.
"""

import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from reference_server.config.model import Configuration
from reference_server.errors import ConfigurationUnknownError

HOLD_SECONDS = 7 * 24 * 60 * 60
"""How long a configuration holds after it was last read. A failure over a long weekend must cost nothing. But
the operator's switch cannot arrive meanwhile, so it does not hold forever; then nothing is known."""

RETRY_SECONDS = 60
"""The pause after the file could not be written: a full disk must not cost an attempt per request."""

REFRESH_SECONDS = 60 * 60
"""How old the time in the file may be. To write it for every request would cost more than the request."""

FILE_MODE = 0o600

logger = logging.getLogger(__name__)


class _Saved(msgspec.Struct):
    """The content of the file. `source` is the path or URL that the configuration is from."""

    source: str
    read_at: float
    configuration: Configuration


class LastGood:
    """The last configuration of one source. Without a file it is lost when the server stops."""

    def __init__(
        self, source: str, file: Path | None = None, *, now_seconds: Callable[[], float] = time.time
    ) -> None:
        self._source = source
        self._file = file
        self._now_seconds = now_seconds
        self._last: _Saved | None = None
        self._save_at = -float("inf")
        """When the file is written again although the configuration is the same."""
        self._load()

    def keep(self, configuration: Configuration) -> None:
        """Keep a configuration that was read now."""
        now = self._now_seconds()
        is_new = self._last is None or self._last.configuration != configuration
        self._last = _Saved(self._source, now, configuration)
        waits = 0 < self._save_at - now <= REFRESH_SECONDS  # longer: the clock was set back
        if is_new or not waits:
            is_saved = self._save(self._last)
            self._save_at = now + (REFRESH_SECONDS if is_saved else RETRY_SECONDS)

    def get(self) -> Configuration:
        """Return the configuration that holds. Raise ConfigurationUnknownError if none does."""
        if self._last is None:
            raise ConfigurationUnknownError("no configuration has been read yet")
        # In both directions: a time in the future comes from a clock that was wrong, and says nothing.
        if abs(self._now_seconds() - self._last.read_at) > HOLD_SECONDS:
            raise ConfigurationUnknownError(f"the last one is not of the last {HOLD_SECONDS // 86_400} days")
        return self._last.configuration

    def _load(self) -> None:
        if self._file is None:
            return
        try:
            saved = msgspec.json.decode(self._file.read_bytes(), type=_Saved)
        except FileNotFoundError:
            return
        except (OSError, msgspec.DecodeError) as error:
            logger.warning("last configuration %s: cannot be read: %s", self._file, error)
            return
        if saved.source == self._source:
            self._last = saved
            self._save_at = saved.read_at + REFRESH_SECONDS

    def _save(self, saved: _Saved) -> bool:
        if self._file is None:
            return True
        fresh = Path(f"{self._file}.fresh")
        try:
            with suppress(FileNotFoundError):
                fresh.unlink()
            with open(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE), "wb") as file:
                file.write(msgspec.json.encode(saved))
            fresh.replace(self._file)
        except OSError as error:
            logger.warning("last configuration %s: cannot be written: %s", self._file, error)
            return False
        return True
