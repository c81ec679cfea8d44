"""What is wrong with a store: damaged pages, missing parts, counters that disagree with the records."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

from reference_server.storage import accounting, sessions, sizes
from reference_server.storage.schema import SCHEMA_VERSION, migrate

MAX_PROBLEMS = 100
"""How many damaged places SQLite lists."""

_COUNTS = {
    "{} records with an identity that a deleted record had": """
        SELECT count(*) FROM deleted_identities AS deleted JOIN records
        ON records.tab_id = deleted.tab_id AND records.seq BETWEEN deleted.first_seq AND deleted.last_seq""",
    "{} overlapping ranges of deleted identities": """
        SELECT count(*) FROM deleted_identities AS one JOIN deleted_identities AS other
        ON other.tab_id = one.tab_id
            AND other.first_seq > one.first_seq AND other.first_seq <= one.last_seq""",
    "{} tabs whose counters are below the number of their records": """
        SELECT count(*) FROM (
            SELECT tab_id, count(*) AS present, max(seq) + 1 AS logged FROM records
            WHERE tab_id IS NOT NULL GROUP BY tab_id
        ) AS found LEFT JOIN tabs USING (tab_id)
        WHERE tabs.tab_id IS NULL OR tabs.stored < found.present OR tabs.logged < found.logged""",
    "{} sessions whose counters are not the number of their records": sessions.COUNT_WRONG,
    "{} records with half of an identity": """
        SELECT count(*) FROM records WHERE (tab_id IS NULL) <> (seq IS NULL)""",
    "{} records whose params are not JSON": "SELECT count(*) FROM records WHERE NOT json_valid(params)",
}


def find_problems(connection: sqlite3.Connection) -> Iterator[str]:
    """Yield what is wrong, in one snapshot. An earlier schema version is checked for damaged pages only.

    Reads the whole store. Raise sqlite3.Error if it cannot be read; a damaged page that prevents the checks
    of the content is yielded.
    """
    is_in_transaction = connection.in_transaction
    if not is_in_transaction:
        connection.execute("BEGIN")
    try:
        yield from _find_problems(connection)
    finally:
        if not is_in_transaction:
            connection.execute("ROLLBACK")


def find_damage(connection: sqlite3.Connection) -> Iterator[str]:
    """Yield which pages and indexes are damaged. Raise sqlite3.Error if nothing can be read."""
    for (text,) in connection.execute(f"PRAGMA integrity_check({MAX_PROBLEMS})"):
        if text != "ok":
            yield " ".join(text.split())


def _find_problems(connection: sqlite3.Connection) -> Iterator[str]:
    damage = list(find_damage(connection))
    yield from damage
    [(version,)] = connection.execute("PRAGMA user_version")
    if version != SCHEMA_VERSION:
        return
    missing = list(_find_missing_parts(connection))
    yield from missing
    if missing:
        return
    try:
        yield from _find_wrong_content(connection)
    except sqlite3.DatabaseError as error:
        if not damage:
            raise
        yield f"the content cannot be checked: {error}"


def _find_missing_parts(connection: sqlite3.Connection) -> Iterator[str]:
    """Yield the tables, indexes and triggers that the store should have."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as model:
        migrate(model, "a new store")
        expected = _read_parts(model)
    found = _read_parts(connection)
    for (kind, name), text in expected.items():
        if (kind, name) not in found:
            yield f"the {kind} {name} is missing"
        elif (
            kind != "table" and found[kind, name] != text
        ):  # the default in a table is the time of its creation
            yield f"the {kind} {name} differs"


def _read_parts(connection: sqlite3.Connection) -> dict[tuple[str, str], str | None]:
    return {
        (kind, name): sql
        for kind, name, sql in connection.execute("SELECT type, name, sql FROM sqlite_master")
    }


def _find_wrong_content(connection: sqlite3.Connection) -> Iterator[str]:
    [(rows,)] = connection.execute("SELECT count(*) FROM totals")
    if rows != 1:
        yield "the counters are missing"
        return
    for name, query in {**accounting.RECOUNTS, **sizes.RECOUNTS, **sessions.RECOUNTS}.items():
        [(counted,)] = connection.execute(query)
        [(kept,)] = connection.execute(f"SELECT {name} FROM totals")
        if counted != kept:
            yield f"the counter {name} is {kept}, counted again {counted}"
    for text, query in _COUNTS.items():
        [(count,)] = connection.execute(query)
        if count:
            yield text.format(count)
