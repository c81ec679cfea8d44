"""The server of the chaos tests: its own process, killed with SIGKILL and restarted on its database."""

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
    """The reference server, or a mutant of it, with telemetry enabled. `url` changes with every restart."""

    def __init__(self, folder: Path, package: Path = REFERENCE_PACKAGE) -> None:
        config = folder / "config.json"
        config.write_text(json.dumps(ENABLED), encoding="utf-8")
        self._process = ServerProcess(package, folder, config)
        self._records: list[dict[str, Any]] = []
        self._last_row = 0
        self._skipped = 0

    @property
    def url(self) -> str:
        """Where it listens, or listened before it was killed."""
        return self._process.url

    @property
    def is_running(self) -> bool:
        """Whether its process runs."""
        return self._process.is_running

    def kill(self) -> None:
        """Kill the process with SIGKILL: it cannot finish anything."""
        if self._process.is_running:
            self._process.kill()

    def restart(self) -> None:
        """Start it again on its database, on another port."""
        self._process.restart()

    def stop(self) -> None:
        """Stop the process for the last time."""
        if self._process.is_running:
            self._process.stop()

    def skip_stored_records(self) -> None:
        """Leave what is stored by now out of `get_records`: it belongs to an earlier system."""
        self._read()
        self._skipped = len(self._records)

    def get_records(self) -> Sequence[dict[str, Any]]:
        """Return the records of this system, in order of arrival; also while the process is dead."""
        self._read()
        return self._records[self._skipped :]

    def get_stored_keys(self) -> list[str]:
        """Return the keys of those records."""
        return [get_event_key(record) for record in self.get_records()]

    def _read(self) -> None:
        new_records, self._last_row = self._process.read_records(self._last_row)
        self._records += new_records
