"""The server of the chaos: a process of its own, killed without warning and started again on its database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from e2e.conformance.accounting import get_event_key
from e2e.conformance.paths import CHECKOUT
from e2e.server.driver.process import ServerProcess
from e2e.worker.driver.system import ENABLED

REFERENCE_PACKAGE = CHECKOUT / "reference_server"


class ChaosServer:
    """The reference server, or one of its shape; it takes every event. `url` changes with its lives."""

    def __init__(self, folder: Path, package: Path = REFERENCE_PACKAGE) -> None:
        config = folder / "config.json"
        config.write_text(json.dumps(ENABLED), encoding="utf-8")
        self._process = ServerProcess(package, folder, config)
        self._records: list[dict[str, Any]] = []
        self._last_row = 0
        self._mark = 0

    @property
    def url(self) -> str:
        """Where it listens, or listened."""
        return self._process.url

    @property
    def is_running(self) -> bool:
        """Whether its process is there."""
        return self._process.is_running

    def kill(self) -> None:
        """SIGKILL. Nothing of what it was doing is finished."""
        if self._process.is_running:
            self._process.kill()

    def restart(self) -> None:
        """Start it again on its database, on another port."""
        self._process.restart()

    def stop(self) -> None:
        """End it for good."""
        if self._process.is_running:
            self._process.stop()

    def begin_books(self) -> None:
        """Leave out of `records` what is stored by now: it belongs to the books before."""
        self._read()
        self._mark = len(self._records)

    def records(self) -> Sequence[dict[str, Any]]:
        """All that was stored since `begin_books`, in order of arrival; also while it is dead."""
        self._read()
        return self._records[self._mark :]

    def stored(self) -> list[str]:
        """The keys of those records."""
        return [get_event_key(record) for record in self.records()]

    def _read(self) -> None:
        fresh, self._last_row = self._process.read_records(self._last_row)
        self._records += fresh
