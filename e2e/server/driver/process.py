"""A server in a process of its own: the command of a package like `reference_server`, with its own store."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime  # Python 3.10 does not know it by the other name.
from contextlib import closing, contextmanager
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
    "SELECT installation_id, event_name, timestamp_ns, session_id, params, tab_id, seq, id FROM records "
    "WHERE id > ? ORDER BY id"
)

_NAMES = ("installation_id", "event_name", "timestamp_ns", "session_id")
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


class ServerProcess:
    """A running server. It begins with the configuration that `config` holds: a file, or a URL.

    `environ` is its whole environment: a CI machine's own must not silence it. `file_limit_bytes` is the
    largest file that it can write. `arguments` are more words of its command line. Raises RuntimeError where
    it does not come up.
    """

    def __init__(
        self,
        package: Path,
        folder: Path,
        config: Path | str,
        *,
        environ: Mapping[str, str] | None = None,
        file_limit_bytes: int | None = None,
        arguments: Sequence[str] = (),
    ) -> None:
        self._package = package
        self._config = config
        self._environ = dict(environ or {})
        self._file_limit_bytes = file_limit_bytes
        self._arguments = list(arguments)
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
        return [_record_of(row) for row in rows], rows[-1][-1] if rows else after

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep its store from being written to, as another program on the same file does."""
        with closing(sqlite3.connect(self.database, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")

    def peak_memory_bytes(self) -> int | None:
        """The most memory that it has taken in this life; None where the system does not tell."""
        try:
            status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii", errors="replace")
        except OSError:
            return None
        found = _PEAK.search(status)
        return int(found[1]) * 1024 if found else None

    def _start(self) -> str:
        module = self._package.name
        python = ["-m", module]
        if self._file_limit_bytes is not None:
            python = ["-c", _LIMITED, str(self._file_limit_bytes), module]
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


def _record_of(row: Sequence[Any]) -> dict[str, Any]:
    *values, params, tab_id, seq, _ = row
    record = dict(zip(_NAMES, values, strict=True)) | {"params": json.loads(params)}
    return record if tab_id is None else record | {"tab_id": tab_id, "seq": seq}
