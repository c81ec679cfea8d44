"""A server in its own process, started with `python -m PACKAGE`, with its own store."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError  # Python 3.10: not the built-in one
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Thread
from typing import IO, Any

START_TIMEOUT_SECONDS = 30
STOP_TIMEOUT_SECONDS = 20

_ADDRESS = re.compile(r"listening on (http://\S+)$")

# Sets limits before the server starts. A write beyond RLIMIT_FSIZE fails as on a full disk.
_RUN_WITH_LIMITS = (
    "import json, resource, runpy, sys\n"
    "for name, limit in json.loads(sys.argv.pop(1)).items():\n"
    "    resource.setrlimit(getattr(resource, name), (limit, limit))\n"
    "runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)
_SELECT = (
    "SELECT installation_id, event_name, timestamp_ns, session_id, params, tab_id, seq, id FROM records "
    "WHERE id > ? ORDER BY id"
)

_COLUMNS = ("installation_id", "event_name", "timestamp_ns", "session_id")
_PEAK_MEMORY = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


class ServerProcess:
    """A running server process. `config` is its configuration: a file or a URL.

    `environ` is the complete environment, because variables of a CI machine may disable telemetry.
    `file_limit_bytes` limits the size of the files that the server writes, `max_open_files` their number.
    `arguments` are further command-line arguments. Raise RuntimeError if the server does not start.
    """

    def __init__(
        self,
        package: Path,
        folder: Path,
        config: Path | str,
        *,
        environ: Mapping[str, str] | None = None,
        file_limit_bytes: int | None = None,
        max_open_files: int | None = None,
        arguments: Sequence[str] = (),
    ) -> None:
        self._package = package
        self._config = config
        self._environ = dict(environ or {})
        limits = {"RLIMIT_FSIZE": file_limit_bytes, "RLIMIT_NOFILE": max_open_files}
        self._limits = {name: limit for name, limit in limits.items() if limit is not None}
        self._arguments = list(arguments)
        self._lines: list[str] = []
        self.database = folder / "records.sqlite"
        self.url = self._start()

    @property
    def log(self) -> str:
        """All log output, including that before restarts."""
        return "".join(self._lines)

    @property
    def is_running(self) -> bool:
        """Whether the process is running."""
        return self._process.poll() is None

    def kill(self) -> None:
        """Kill the process with SIGKILL, as in a crash. The store remains."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Stop the process with SIGTERM, wait until it ends, and return the exit status."""
        return self._end(signal.SIGTERM)

    def restart(self) -> None:
        """Start the server again on the same store. The port changes."""
        self.url = self._start()

    def read_records(self, after: int = 0) -> tuple[list[dict[str, Any]], int]:
        """Return the records after row `after`, as they are on the wire, and the number of the last row."""
        with closing(sqlite3.connect(self.database)) as connection:
            rows = connection.execute(_SELECT, (after,)).fetchall()
        return [_decode_row(row) for row in rows], rows[-1][-1] if rows else after

    @contextmanager
    def lock_store(self) -> Iterator[None]:
        """Lock the store against writes, as another program that uses the file does."""
        with closing(sqlite3.connect(self.database, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")

    def read_peak_memory_bytes(self) -> int | None:
        """Return the peak memory of the process since its start; None if the system does not report it."""
        try:
            status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii", errors="replace")
        except OSError:
            return None
        found = _PEAK_MEMORY.search(status)
        return int(found[1]) * 1024 if found else None

    def _start(self) -> str:
        module = self._package.name
        python = ["-m", module]
        if self._limits:
            python = ["-c", _RUN_WITH_LIMITS, json.dumps(self._limits), module]
        options = ["--config", str(self._config), "--database", str(self.database)]
        self._process = subprocess.Popen(
            [sys.executable, *python, *options, *self._arguments],
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
        except FutureTimeoutError:
            url = None
        if url is None:
            self._end(signal.SIGKILL)
            raise RuntimeError(f"{self._package} did not start:\n{self.log}")
        return url

    def _read_log(self, log: IO[str], address: Future[str | None]) -> None:
        """Read the log to its end, so that the server never blocks on a full pipe."""
        with log:
            for line in log:
                self._lines.append(line)
                found = _ADDRESS.search(line)
                if found and not address.done():
                    address.set_result(found[1])
        if not address.done():
            address.set_result(None)

    def _end(self, signal_number: int) -> int:
        if self.is_running:
            self._process.send_signal(signal_number)
        try:
            return self._process.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        finally:
            self._reader.join()


def _decode_row(row: Sequence[Any]) -> dict[str, Any]:
    *values, params, tab_id, seq, _ = row
    record = dict(zip(_COLUMNS, values, strict=True)) | {"params": json.loads(params)}
    return record if tab_id is None else record | {"tab_id": tab_id, "seq": seq}
