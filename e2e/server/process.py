"""A server in a process of its own: the command of a package like `reference_server`, with its own store."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime  # Python 3.10 does not know it by the other name.
from contextlib import closing
from pathlib import Path
from threading import Thread
from typing import IO, Any

START_TIMEOUT_SECONDS = 30
STOP_TIMEOUT_SECONDS = 20

_ADDRESS = re.compile(r"listening on (http://\S+)$")

# Sets the largest size of a file before the server starts: a write beyond it fails as on a full disk.
_LIMITED = (
    "import resource, runpy, sys\n"
    "limit = int(sys.argv.pop(1))\n"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))\n"
    "runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)
_SELECT = (
    "SELECT installation_id, event_name, timestamp_ns, session_id, params, id FROM records "
    "WHERE id > ? ORDER BY id"
)


class ServerProcess:
    """A running server. It begins with the configuration that `config` holds: a file, or a URL.

    `environ` is its whole environment: a CI machine's own must not silence it. `file_limit_bytes` is the
    largest file that it can write. Raises RuntimeError where it does not come up.
    """

    def __init__(
        self,
        package: Path,
        folder: Path,
        config: Path | str,
        *,
        environ: Mapping[str, str] | None = None,
        file_limit_bytes: int | None = None,
    ) -> None:
        self._package = package
        self._config = config
        self._environ = dict(environ or {})
        self._file_limit_bytes = file_limit_bytes
        self._lines: list[str] = []
        self.database = folder / "records.sqlite"
        self.url = self._start()

    @property
    def log(self) -> str:
        """All that it wrote, of all its lives."""
        return "".join(self._lines)

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End it at once, as a loss of power does. Its store stays."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ask it to end, wait, and give the exit status."""
        return self._end(signal.SIGTERM)

    def restart(self) -> None:
        """Start it again on the store that it left; its port is another one."""
        self.url = self._start()

    def stored(self, after: int = 0) -> tuple[list[dict[str, Any]], int]:
        """The records beyond row `after`, in the shape of the wire, and the number of the last row."""
        with closing(sqlite3.connect(self.database)) as connection:
            rows = connection.execute(_SELECT, (after,)).fetchall()
        names = ("installation_id", "event_name", "timestamp_ns", "session_id")
        records = [
            dict(zip(names, row, strict=False)) | {"params": json.loads(row[len(names)])} for row in rows
        ]
        return records, rows[-1][-1] if rows else after

    def _start(self) -> str:
        module = self._package.name
        python = ["-m", module]
        if self._file_limit_bytes is not None:
            python = ["-c", _LIMITED, str(self._file_limit_bytes), module]
        self._process = subprocess.Popen(
            [sys.executable, *python, "--config", str(self._config), "--database", str(self.database)],
            cwd=self._package.parent,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="backslashreplace",
        )
        address: Future[str | None] = Future()
        self._reader = Thread(target=self._read_log, args=(self._process.stderr, address), daemon=True)
        self._reader.start()
        try:
            url = address.result(START_TIMEOUT_SECONDS)
        except NotInTime:
            url = None
        if url is None:
            self._end(signal.SIGKILL)
            raise RuntimeError(f"{self._package} did not start:\n{self.log}")
        return url

    def _read_log(self, log: IO[str], address: Future[str | None]) -> None:
        """Read to the end, so that the server never waits for room to write in."""
        with log:
            for line in log:
                self._lines.append(line)
                found = _ADDRESS.search(line)
                if found and not address.done():
                    address.set_result(found[1])
        if not address.done():
            address.set_result(None)

    def _end(self, number: int) -> int:
        if self.is_running:
            self._process.send_signal(number)
        try:
            return self._process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        finally:
            self._reader.join()
