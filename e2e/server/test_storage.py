"""The files of the store: what the server acknowledges while they are deleted, replaced or damaged under it.

Another program, or a person, changes the files of the running server. Every record with a success response
has to be in the store when the server is started again. `test_durability.py` covers crashes, locks and a full
disk.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from e2e.conformance.accounting import Fate
from e2e.conformance.case import FindingError, Level, case
from e2e.server.driver.assertions import expect_accepts_record, expect_each, is_deferred
from e2e.server.driver.http_client import Response
from e2e.server.driver.system import Server, StartServer

BATCHES = 4
BATCH_SIZE = 5
MAX_REPAIR_POSTS = 2_000
READY_SECONDS = 10.0
CHANGES_TIMEOUT_SECONDS = 300
"""Allows many server starts on a busy machine."""

LOG_SUFFIXES = ("-wal", "-shm", "-journal")
PAGE_BYTES = 4096
TEXT = b"This is a text, and not the database of a telemetry server. " * 200


def list_log_files(database: Path) -> list[Path]:
    """Return the files beside the database that belong to it."""
    return [path for suffix in LOG_SUFFIXES if (path := Path(f"{database}{suffix}")).exists()]


def copy_log_into_database(database: Path) -> None:
    """Let SQLite move its log into the database, as it does from time to time."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")


def delete_database(database: Path) -> None:
    """Delete the database and leave its log."""
    database.unlink()


def delete_everything(database: Path) -> None:
    """Delete the database and its log, as `rm t.sqlite*` does."""
    for path in (database, *list_log_files(database)):
        path.unlink()


def rename_database(database: Path) -> None:
    """Move the database away."""
    database.rename(f"{database}.moved")


def truncate_database(database: Path) -> None:
    """Cut the database off in the middle."""
    copy_log_into_database(database)
    os.truncate(database, database.stat().st_size // 2)


def empty_database(database: Path) -> None:
    """Truncate the database to nothing."""
    copy_log_into_database(database)
    os.truncate(database, 0)


def damage_database(database: Path) -> None:
    """Overwrite all pages but the first."""
    copy_log_into_database(database)
    with database.open("r+b") as file:
        file.seek(PAGE_BYTES)
        file.write(b"\xa5" * (database.stat().st_size - PAGE_BYTES))


def replace_by_text(database: Path) -> None:
    """Put a text in the place of the database."""
    other = database.with_suffix(".text")
    other.write_bytes(TEXT)
    other.replace(database)


def overwrite_by_text(database: Path) -> None:
    """Write a text into the file of the database, as `cp` does."""
    copy_log_into_database(database)
    database.write_bytes(TEXT)


def replace_by_directory(database: Path) -> None:
    """Put a directory in the place of the database."""
    database.unlink()
    database.mkdir()


CHANGES: dict[str, Callable[[Path], None]] = {
    "deleted": delete_database,
    "deleted with its log": delete_everything,
    "renamed": rename_database,
    "truncated": truncate_database,
    "truncated to nothing": empty_database,
    "damaged": damage_database,
    "replaced by a text": replace_by_text,
    "overwritten by a text": overwrite_by_text,
    "replaced by a directory": replace_by_directory,
}


def delete_log(database: Path) -> None:
    """Delete the log, which holds the newest records, and leave the database."""
    for path in list_log_files(database):
        path.unlink()


def post_batches(server: Server) -> dict[str, Response]:
    """Post some batches. Expect those to be stored that got a success response; others may be."""
    responses = {}
    for number in range(BATCHES):
        batch = server.new_records(BATCH_SIZE, Fate.OPTIONAL)
        responses[f"batch {number}"] = response = server.post(*batch)
        if response.is_success:
            server.set_fate(batch, Fate.STORED)
    expect_each(
        "success, or 503 with Retry-After",
        responses,
        lambda response: response.is_success or is_deferred(response),
    )
    return responses


def account_after_restart(server: Server, responses: dict[str, Response]) -> None:
    """Compare what was acknowledged with what a new process finds in the files after a crash."""
    server.process.kill()
    try:
        server.restart()
    except RuntimeError as error:  # It refuses to start on what is left.
        if any(response.is_success for response in responses.values()):
            raise FindingError("a store that holds what was acknowledged", str(error)[-500:]) from None
        server.is_accounted = True
        return
    server.account()


def wait_until_accepted(server: Server) -> None:
    """Post until a record is accepted: the server may look at its files only now and then."""
    for _ in range(MAX_REPAIR_POSTS):
        record = server.new_record(Fate.OPTIONAL)
        response = server.post(record)
        if response.is_success:
            server.set_fate([record], Fate.STORED)
            return
    raise FindingError("the server stores records again", str(response))


@case(
    "server/storage/1/1",
    Level.SHOULD,
    "The server acknowledges no record that is not in its store, whatever happens to the file.",
    expected=f"for a database that is {', '.join(CHANGES)}: each record with a success response is found "
    "after a restart; the others get 503 with Retry-After",
    source="data safety: SQLite writes into a deleted file without an error",
)
@pytest.mark.timeout(CHANGES_TIMEOUT_SECONDS)
def test_changed_database_loses_nothing_acknowledged(start_server: StartServer) -> None:
    for change in CHANGES.values():
        server = start_server()
        server.post(*server.new_records(BATCH_SIZE, Fate.OPTIONAL))  # Somebody destroys these.
        change(server.process.database)
        account_after_restart(server, post_batches(server))
        server.process.kill()


@case(
    "server/storage/1/2",
    Level.SHOULD,
    "The server stores records again once its database is deleted or what replaced it is gone.",
    expected="success soon after; each record with a success response is found after a restart",
    source="data safety: nobody may notice for days that a server stores nothing",
)
def test_server_recovers_without_a_restart(start_server: StartServer) -> None:
    server = start_server()
    server.post(*server.new_records(BATCH_SIZE, Fate.OPTIONAL))
    delete_everything(server.process.database)
    wait_until_accepted(server)
    server.account()
    server = start_server()
    replace_by_text(server.process.database)
    post_batches(server)
    if server.process.database.read_bytes() != TEXT:
        raise FindingError("the file of another program is unchanged", "it is changed")
    server.process.database.unlink()
    wait_until_accepted(server)
    server.process.stop()
    server.restart()
    server.account()


@case(
    "server/storage/1/3",
    Level.SHOULD,
    "A deleted log of the database costs no acknowledged record: the running server still holds it.",
    expected="the records from before and after the deletion of -wal and -shm are found after a restart",
    source="data safety; SQLite, How To Corrupt An SQLite Database File, §1.4",
)
def test_deleted_log_loses_no_record(start_server: StartServer) -> None:
    server = start_server()
    responses = {"before": server.post(*server.new_records(BATCH_SIZE))}
    delete_log(server.process.database)
    responses |= post_batches(server)
    if not responses["before"].is_success:
        raise FindingError("success before the log is deleted", str(responses["before"]))
    account_after_restart(server, responses)


@case(
    "server/storage/1/4",
    Level.SHOULD,
    "The server goes on with a store that an operator puts in the place of its database.",
    expected="a backup replaces the database: later records are stored in it, beside those of the backup",
    source="data safety: a backup is restored",
)
def test_restored_backup_is_used(start_server: StartServer) -> None:
    server = start_server()
    database = server.process.database
    backed_up = server.post(*server.new_records(BATCH_SIZE))
    backup = database.with_suffix(".backup")
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(backup)) as target:
        source.backup(target)
    server.post(*server.new_records(BATCH_SIZE, Fate.FORBIDDEN))  # After the backup: lost by the operator.
    backup.replace(database)
    wait_until_accepted(server)
    account_after_restart(server, {"backup": backed_up} | post_batches(server))


@case(
    "server/storage/2/1",
    Level.SHOULD,
    "Other users of the machine cannot read the files of the store.",
    expected="no permission for others, nor for the group, on the files that the server creates",
    source="privacy: the records tell what people did",
)
def test_other_users_cannot_read_the_store(start_server: StartServer) -> None:
    server = start_server()
    expect_accepts_record(server)
    folder = server.process.database.parent
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in folder.iterdir()
        if path.name.startswith(server.process.database.name)
    }
    readable = {name: oct(mode) for name, mode in modes.items() if mode & 0o077}
    if readable or not modes:
        raise FindingError("0600 for each file of the store", str(readable or "no file"))
    server.account()


@case(
    "server/health/1/1",
    Level.MAY,
    "/ready tells whether a record could be stored now; /health, whether the server runs.",
    expected="/health 200 always; /ready 200, but 503 while the database is locked or replaced, and while no "
    "configuration is known",
    source="convenience: a load balancer sends requests elsewhere; a restart does not mend a full disk",
)
def test_readiness_differs_from_liveness(start_server: StartServer) -> None:
    server = start_server(arguments=["--lock-wait", "0.1"])
    ask = server.client.request
    ready, health = f"{server.client.base_path}ready", f"{server.client.base_path}health"
    if ask("GET", ready).status == 404:
        server.account()
        pytest.skip("the server has no /ready")
    responses = {"at first": (ask("GET", ready), True)}
    with server.process.lock_store():
        responses["locked"] = _ask_until(server, 503), False
    responses["unlocked"] = _ask_until(server, 200), True
    expect_accepts_record(server)
    server.account()
    replace_by_text(server.process.database)
    responses["replaced"] = _ask_until(server, 503), False
    for name, (response, is_ready) in responses.items():
        if response.status != (200 if is_ready else 503):
            raise FindingError(f"{200 if is_ready else 503} from /ready: {name}", str(response))
    if ask("GET", health).status != 200:
        raise FindingError("200 from /health while the database is replaced", str(ask("GET", health)))
    unknown = start_server(config_text="")
    response = unknown.client.request("GET", f"{unknown.client.base_path}ready")
    unknown.account()
    if response.status != 503:
        raise FindingError("503 from /ready without a configuration", str(response))


def _ask_until(server: Server, status: int) -> Response:
    """Ask /ready until it has this status: a server may check its store only now and then."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        response = server.client.request("GET", f"{server.client.base_path}ready")
        if response.status == status or time.monotonic() > deadline:
            return response
