"""One scenario with its server, load and ledger, and what went wrong."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from e2e.server.driver.process import ServerProcess
from e2e.server.driver.system import ENABLED
from e2e.soak.ledger import Balance, Ledger
from e2e.soak.load import Load

RECOVERY_SECONDS = 10.0
MAX_GAP_SECONDS = 30.0
"""The longest time in which clients may get no acknowledgement while only connections are under attack. It
allows for a machine that is busy with the attack itself."""


_KEYS = "SELECT json_extract(params, '$.key') FROM records"


class NotRecoveredError(Exception):
    """The server acknowledges nothing any more: neither more attacks nor more time would show anything."""


@dataclass(frozen=True)
class Options:
    """The figures of a run. `package` is the folder of the server."""

    package: Path
    kills: int
    stops: int
    connections: int


class Trial:
    """The server and the load of one scenario. `failures` says in sentences what must not be."""

    def __init__(self, name: str, folder: Path, options: Options) -> None:
        self.name = name
        self.folder = folder / "server"
        self.folder.mkdir(parents=True)
        self.config = folder / "config.json"
        self.config.write_text(json.dumps(ENABLED), encoding="utf-8")
        self.options = options
        self.ledger = Ledger()
        self.load = Load(lambda: self.process.url, self.ledger, name)
        self.failures: list[str] = []
        self.note = ""
        self.destroyed_at = -float("inf")
        """When the store was last destroyed, by `time.monotonic`."""
        self.process: ServerProcess
        self.balance: Balance | None = None

    def start(
        self,
        *,
        arguments: Sequence[str] = (),
        file_limit_bytes: int | None = None,
        max_open_files: int | None = None,
    ) -> None:
        """Start the server."""
        self.process = ServerProcess(
            self.options.package,
            self.folder,
            self.config,
            arguments=arguments,
            file_limit_bytes=file_limit_bytes,
            max_open_files=max_open_files,
        )

    def restart(self) -> None:
        """Start the ended server again, on its database."""
        self.process.restart()

    def fail(self, sentence: str) -> None:
        """Note what must not be."""
        self.failures.append(sentence)

    def require_recovery(self, when: str) -> None:
        """Raise NotRecoveredError, which ends the scenario, unless a batch is acknowledged soon."""
        if not self.load.wait_for_success(RECOVERY_SECONDS):
            raise NotRecoveredError(f"no acknowledgement {RECOVERY_SECONDS:g} s {when}")

    def require_no_gap(self) -> None:
        """Note a failure if clients got no acknowledgement for too long."""
        gap = self.ledger.longest_gap_seconds
        if gap > MAX_GAP_SECONDS:
            self.fail(f"no acknowledgement for {gap:.1f} s")

    def settle(self) -> None:
        """Send again what is not acknowledged, crash the server, start it again, and compare."""
        if self.balance is not None and not self.process.is_running:
            return
        if not self.load.drain():
            self.fail("batches were not acknowledged in the end")
        self.process.kill()
        self.restart()
        self.check()
        self.process.kill()

    def check(self) -> None:
        """Compare the ledger with the store."""
        self.balance = balance = self.ledger.compare(self._read_keys(), self.destroyed_at)
        if balance.lost or balance.doubled:
            self.fail(f"{balance.lost} lost, {balance.doubled} doubled")

    def close(self) -> None:
        """Kill the server."""
        if hasattr(self, "process"):
            self.process.kill()

    def _read_keys(self) -> list[str]:
        """Return the keys in the file at the database's path; none if it is no store."""
        uri = f"{self.process.database.as_uri()}?mode=ro"
        try:
            with closing(sqlite3.connect(uri, uri=True)) as connection:
                return [key for (key,) in connection.execute(_KEYS)]
        except sqlite3.Error as error:
            self.fail(f"the store cannot be read: {error}")
            return []
