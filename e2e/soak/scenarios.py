"""The scenarios: what happens to a server while it is under load. Each is a function of a `Trial`."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from e2e.server.driver.system import ENABLED
from e2e.soak.slow_clients import SlowClients
from e2e.soak.trial import Trial

LOAD_SECONDS = 1.0
ROUNDS = 3
LOCK_SECONDS = 2.5
FILE_LIMIT_BYTES = 3_000_000
TMPFS_BYTES = 100_000_000
FILLER_BYTES = 4096
MAX_OPEN_FILES = 256
GLITCHES = 150

Scenario = Callable[[Trial], None]


def kill_repeatedly(trial: Trial) -> None:
    """Kill the server with SIGKILL under load and start it again, repeatedly."""
    trial.start()
    for _ in range(trial.options.kills):
        with trial.load.run():
            time.sleep(LOAD_SECONDS / 2)
            trial.process.kill()
        trial.restart()


def stop_repeatedly(trial: Trial) -> None:
    """Stop the server with SIGTERM under load, as an update does, and start it again, repeatedly."""
    trial.start()
    for _ in range(trial.options.stops):
        with trial.load.run():
            time.sleep(LOAD_SECONDS / 2)
            status = trial.process.stop()
        if status != 0:
            trial.fail(f"exit status {status} after SIGTERM")
        trial.restart()


def fill_disk(trial: Trial) -> None:
    """Fill the disk: a small file system where one can be mounted, else up to a limit for files."""
    with _mount_small_disk(trial.folder) as is_mounted:
        trial.note = "a tmpfs" if is_mounted else "RLIMIT_FSIZE"
        trial.start(file_limit_bytes=None if is_mounted else FILE_LIMIT_BYTES)
        if not is_mounted:
            with trial.load.run():
                time.sleep(4 * LOAD_SECONDS)
            trial.process.stop()
            trial.start()
        for _ in range(ROUNDS if is_mounted else 0):
            with trial.load.run():
                time.sleep(LOAD_SECONDS)
                _fill(trial.folder / "filler")
                time.sleep(LOAD_SECONDS)
            (trial.folder / "filler").unlink()
            trial.require_recovery("after the disk had room again")
        trial.settle()


def remove_database(trial: Trial) -> None:
    """Delete the database and its log under load."""
    _destroy_repeatedly(trial, _remove)


def remove_log(trial: Trial) -> None:
    """Delete only the log under load: nothing may be lost."""
    trial.start()
    for _ in range(ROUNDS):
        with trial.load.run():
            time.sleep(LOAD_SECONDS)
            for suffix in ("-wal", "-shm"):
                with suppress(FileNotFoundError):
                    Path(f"{trial.process.database}{suffix}").unlink()
            time.sleep(LOAD_SECONDS)
        trial.require_recovery("after the log was deleted")


def replace_database(trial: Trial) -> None:
    """Put another store in the place of the database under load, as whoever restores a backup."""
    backup = trial.folder / "backup"

    def replace(database: Path) -> None:
        shutil.copy(backup, database.with_suffix(".fresh"))
        database.with_suffix(".fresh").replace(database)

    trial.start()
    trial.process.stop()
    shutil.copy(trial.process.database, backup)
    trial.restart()
    _destroy_repeatedly(trial, replace, start=False)


def replace_database_by_text(trial: Trial) -> None:
    """Put a file that is no database in its place for a while."""

    def replace(database: Path) -> None:
        text = database.with_suffix(".text")
        text.write_text("not a database " * 1_000, encoding="utf-8")
        text.replace(database)
        time.sleep(LOAD_SECONDS)
        database.unlink()

    _destroy_repeatedly(trial, replace)


def truncate_database(trial: Trial) -> None:
    """Truncate the database under load, and delete it once somebody has noticed."""

    def truncate(database: Path) -> None:
        os.truncate(database, 0)
        time.sleep(LOAD_SECONDS)
        _remove(database)

    _destroy_repeatedly(trial, truncate)


def lock_database(trial: Trial) -> None:
    """Lock the database for longer than the server waits."""
    trial.start(arguments=["--lock-wait", "0.5"])
    for _ in range(ROUNDS):
        with trial.load.run():
            time.sleep(LOAD_SECONDS)
            with closing(sqlite3.connect(trial.process.database, isolation_level=None, timeout=30)) as other:
                other.execute("BEGIN IMMEDIATE")
                time.sleep(LOCK_SECONDS)
                other.execute("ROLLBACK")
        trial.require_recovery("after the lock")


def edit_configuration(trial: Trial) -> None:
    """Edit the configuration in place: empty, half written, no JSON, gone, and right again."""
    trial.start()
    text = json.dumps(ENABLED)
    with trial.load.run():
        for number in range(GLITCHES):
            for glitch in ("", text[: number % len(text)], "not JSON", "{}", None):
                if glitch is None:
                    trial.config.unlink()
                else:
                    trial.config.write_text(glitch, encoding="utf-8")
                time.sleep(0.002)
                if number % 10 == 0:
                    trial.config.write_text(text, encoding="utf-8")
    trial.process.kill()  # It starts amid the glitch, too.
    trial.restart()
    with trial.load.run():
        time.sleep(LOAD_SECONDS)
    trial.config.write_text(text, encoding="utf-8")


def exhaust_descriptors(trial: Trial) -> None:
    """Open more connections than the server may open files."""
    trial.start(max_open_files=MAX_OPEN_FILES)
    trial.note = f"ulimit -n {MAX_OPEN_FILES}"
    _open_connections(trial, 4 * MAX_OPEN_FILES)


def open_slow_connections(trial: Trial) -> None:
    """Open thousands of connections that are silent or send their request byte by byte."""
    trial.start()
    _open_connections(trial, trial.options.connections)


SCENARIOS: dict[str, Scenario] = {
    "kill": kill_repeatedly,
    "stop": stop_repeatedly,
    "disk-full": fill_disk,
    "database-removed": remove_database,
    "log-removed": remove_log,
    "database-replaced": replace_database,
    "database-is-text": replace_database_by_text,
    "database-truncated": truncate_database,
    "database-locked": lock_database,
    "config-edited": edit_configuration,
    "descriptors": exhaust_descriptors,
    "slow-connections": open_slow_connections,
}


def _destroy_repeatedly(trial: Trial, destroy: Callable[[Path], None], *, start: bool = True) -> None:
    """Destroy the store under load. What later requests acknowledge must be in the store that follows."""
    if start:
        trial.start()
    for _ in range(ROUNDS):
        with trial.load.run():
            time.sleep(LOAD_SECONDS)
            destroy(trial.process.database)
            trial.destroyed_at = time.monotonic()
            time.sleep(2 * LOAD_SECONDS)
        trial.require_recovery("after the database was destroyed")
        trial.check()


def _open_connections(trial: Trial, count: int) -> None:
    """Open connections beside the load, and note how many clients they are of."""
    with SlowClients(trial.process.url, count) as clients, trial.load.run():
        if not clients.wait_until_connected():
            trial.fail(f"only {clients.connected} of {count} slow clients could connect")
        time.sleep(5 * LOAD_SECONDS)
        figures = f"{clients.connected:,} of {count:,} slow clients, {clients.opened:,} connections"
    trial.note = ", ".join(filter(None, [trial.note, figures]))
    trial.require_no_gap()


def _remove(database: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            Path(f"{database}{suffix}").unlink()


def _fill(path: Path) -> None:
    """Write until the disk is full."""
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(b"x" * FILLER_BYTES):
            pass


@contextmanager
def _mount_small_disk(folder: Path) -> Iterator[bool]:
    """Mount a small file system at the folder. Yield whether that was allowed."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={TMPFS_BYTES}", "telemetry", str(folder)]
    try:
        is_mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        is_mounted = False
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", "--lazy", str(folder)], capture_output=True, check=False)
