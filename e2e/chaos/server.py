"""The server of the chaos tests: its own process, killed with SIGKILL and restarted on its database.

What an operator may do to its files while it runs: edit the configuration in place, disable telemetry,
delete, replace or lock the database.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from e2e.chaos.record_reader import RecordReader
from e2e.conformance.accounting import get_event_key
from e2e.conformance.paths import CHECKOUT
from e2e.server.driver.process import ServerProcess
from e2e.worker.driver.system import ENABLED

REFERENCE_PACKAGE = CHECKOUT / "reference_server"

LOCK_WAIT_SECONDS = 0.2
"""How long the server waits for a locked database: real time, which the tests have to wait, too."""

_ENABLED = json.dumps(ENABLED)
CONFIG_GLITCHES: Mapping[str, str | None] = {
    "empty": "",
    "half written": _ENABLED[: len(_ENABLED) // 2],
    "not JSON": "<<<<<<< HEAD",
    "a list": "[]",
    "missing": None,
}
"""By name: what is in the configuration file while somebody edits it; None for no file."""


class ChaosServer:
    """The reference server, or a mutant of it, with telemetry enabled. `url` changes with every restart."""

    def __init__(self, folder: Path, package: Path = REFERENCE_PACKAGE) -> None:
        self._config = folder / "config.json"
        self.enable()
        self._process = ServerProcess(
            package, folder, self._config, arguments=["--lock-wait", str(LOCK_WAIT_SECONDS)]
        )
        self._reader = RecordReader(self._process.database)
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

    # --- the configuration ------------------------------------------------------------------------

    def enable(self) -> None:
        """Write the configuration that enables telemetry."""
        self._write_config(_ENABLED)

    def disable(self) -> None:
        """Write a configuration that disables telemetry explicitly."""
        self._write_config(json.dumps({**ENABLED, "disable_ui_telemetry": True}))

    def break_config(self, glitch: str) -> None:
        """Leave the configuration file as one of `CONFIG_GLITCHES`."""
        text = CONFIG_GLITCHES[glitch]
        if text is None:
            self._config.unlink(missing_ok=True)
        else:
            self._config.write_text(text, encoding="utf-8")

    def _write_config(self, text: str) -> None:
        temporary = self._config.with_suffix(".new")
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, self._config)

    # --- the database -----------------------------------------------------------------------------

    def delete_database(self) -> None:
        """Delete the files of the database under the running server. What it held stays in `get_records`."""
        with self.lock_database():
            self._reader.read()
            self._delete_files()

    def replace_database(self) -> None:
        """Put a copy of the database in its place under the running server, as a restore of a backup does."""
        database = self._process.database
        backup = database.with_suffix(".backup")
        backup.unlink(missing_ok=True)
        with self.lock_database():
            self._reader.read()
            with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(backup)) as target:
                source.backup(target)
            self._delete_files()
            os.replace(backup, database)

    @contextmanager
    def lock_database(self) -> Iterator[None]:
        """Lock the database against writes while the block runs, as another program that uses it does."""
        with closing(sqlite3.connect(self._process.database, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")

    def _delete_files(self) -> None:
        self._reader.begin_new_file()
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self._process.database}{suffix}").unlink(missing_ok=True)

    # --- the records ------------------------------------------------------------------------------

    def skip_stored_records(self) -> None:
        """Leave what is stored by now out of `get_records`: it belongs to an earlier system."""
        self._skipped = len(self._reader.read())

    def get_records(self) -> Sequence[dict[str, Any]]:
        """Return the records of this system, in order of arrival; also while the process is dead."""
        return self._reader.read()[self._skipped :]

    def get_stored_keys(self) -> list[str]:
        """Return the keys of those records."""
        return [get_event_key(record) for record in self.get_records()]
