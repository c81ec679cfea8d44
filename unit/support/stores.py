"""Real stores for tests of the commands: filled by the store itself, damaged, of earlier versions."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic, sleep

from reference_server import Record, SqliteStore
from reference_server.model.batch import decode_batch
from reference_server.storage import schema
from unit.support.samples import encode_body

WAIT_SECONDS = 30.0
PAUSE_SECONDS = 0.01

VERSION_2 = """
CREATE TABLE records (
    id INTEGER PRIMARY KEY,
    installation_id TEXT NOT NULL,
    event_name TEXT NOT NULL,
    timestamp_ns INTEGER NOT NULL,
    session_id TEXT NOT NULL,
    params TEXT NOT NULL
, tab_id TEXT, seq INTEGER);
CREATE UNIQUE INDEX records_identity ON records (tab_id, seq) WHERE tab_id IS NOT NULL;
CREATE TABLE sessions (
    session_id TEXT PRIMARY KEY, dropped INTEGER NOT NULL, filtered INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO records VALUES
    (1, 'an-installation', 'ui_event', 1600000000000000000, 'a-session', '{}', 'a-tab', 0),
    (2, 'an-installation', 'ui_event', 1600000000000000001, 'a-session', '{}', 'a-tab', 4),
    (3, 'an-installation', 'ui_event', 1600000000000000002, 'a-session', 'null', NULL, NULL),
    (4, 'an-installation', 'ui_event', 1600000000000000003, 'a-session', 'null', 'forged', 9007199254740991);
INSERT INTO sessions VALUES ('a-session', 2, 1);
PRAGMA journal_mode = WAL;
PRAGMA user_version = 2;
"""
"""A store of schema version 2, as earlier servers wrote it."""


def connect(database: Path) -> sqlite3.Connection:
    """Open a database without implicit transactions."""
    return sqlite3.connect(database, isolation_level=None)


def execute(database: Path, script: str) -> None:
    """Run statements on a database."""
    with closing(connect(database)) as connection:
        connection.executescript(script)


def query(database: Path, statement: str) -> list[tuple[object, ...]]:
    """Return the rows of a query."""
    with closing(connect(database)) as connection:
        return connection.execute(statement).fetchall()


def create_version(database: Path, version: int) -> None:
    """Create an empty store as an earlier server did, of schema version 3 or later."""
    with closing(connect(database)) as connection:
        for statements in schema._MIGRATIONS[:version]:
            for statement in statements:
                connection.execute(statement.replace("{now}", "1700000000"))
        connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {version}")


def to_records(*members: dict[str, object]) -> list[Record]:
    """Return records for members of a body."""
    batch = decode_batch(encode_body(*members))
    assert not batch.rejected
    return batch.accepted


def fill(database: Path, *members: dict[str, object]) -> Path:
    """Store records as a server does, and close the store. Return the database."""

    async def store_all() -> None:
        store = SqliteStore(database)
        await store.open()
        await store.add(to_records(*members))
        await store.close()

    asyncio.run(store_all())
    return database


def insert_padded(database: Path, count: int, padding: int = 1_000) -> None:
    """Insert many large records of one tab, with the numbers from 0."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.executemany(
            "INSERT INTO records "
            "(installation_id, event_name, timestamp_ns, session_id, params, tab_id, seq) VALUES "
            "('installation', 'event', ?, 'session', ?, 'padded-tab', ?)",
            ((number, f'{{"padding":"{"x" * padding}"}}', number) for number in range(count)),
        )


def damage(database: Path) -> None:
    """Overwrite the middle of a closed database."""
    content = bytearray(database.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 20_000] = b"\xff" * 20_000
    database.write_bytes(content)


def count_steps(connection: sqlite3.Connection, work: Callable[[], object]) -> int:
    """Return how many instructions of SQLite's machine some work takes, whatever the load."""
    steps: list[None] = []
    connection.set_progress_handler(lambda: steps.append(None), 1)
    work()
    connection.set_progress_handler(None, 1)
    return len(steps)


@contextmanager
def hold_snapshot(database: Path) -> Iterator[None]:
    """Read a snapshot of a database and keep it, as a slow export does."""
    with closing(connect(database)) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM records").fetchone()
        yield
        connection.execute("ROLLBACK")


def wait_until(condition: Callable[[], object], description: str) -> None:
    """Wait until a condition holds. Raise AssertionError that says for what."""
    ends_at = monotonic() + WAIT_SECONDS
    while not condition():
        assert monotonic() < ends_at, f"after {WAIT_SECONDS} s still not: {description}"
        sleep(PAUSE_SECONDS)
