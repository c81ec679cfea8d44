"""The mapping between records or reports and the rows of the tables in `schema.py`."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from reference_server.model.batch import SessionReport
from reference_server.model.record import Record
from reference_server.storage.accounting import COUNTED

COLUMNS = "installation_id, event_name, timestamp_ns, session_id, params, tab_id, seq"

SELECT_ALL = f"SELECT {COLUMNS} FROM records ORDER BY id"

_CONSTANTS = 2
"""The parameters that all rows of a statement share: `received_at` and `counted`."""


def _build_insert(rows: int) -> str:
    width = len(COLUMNS.split(","))
    firsts = range(_CONSTANTS + 1, _CONSTANTS + 1 + rows * width, width)
    values = ("?1, ?2, " + ", ".join(f"?{first + column}" for column in range(width)) for first in firsts)
    return f"""
        INSERT INTO records (received_at, counted, {COLUMNS}) VALUES ({"), (".join(values)})
        ON CONFLICT DO NOTHING
    """


INSERTS = {rows: _build_insert(rows) for rows in (100, 10, 1)}
"""Insert so many records: SQLite begins and ends a statement once for all of them. Their number → the
statement, the largest first. SQLite before 3.32 allows 999 parameters.

A record whose identity is already stored is skipped. A record without an identity is never skipped."""

INSERT_REPORT = """
INSERT INTO sessions (session_id, dropped, filtered, reported_at) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET
    dropped = max(dropped, excluded.dropped),
    filtered = max(filtered, excluded.filtered),
    reported_at = excluded.reported_at
"""

SELECT_IDENTIFIED = f"SELECT {COLUMNS} FROM records WHERE tab_id = ? AND seq = ?"

COUNT_RECEIVED = "UPDATE totals SET accepted = accepted + ?, duplicates = duplicates + ?"


def encode_records(records: Iterable[Record], received_at: int, counted: bool) -> list[object]:
    """Return the values of one of INSERTS. `counted`: see `accounting.count_new_records`."""
    values: list[object] = [received_at, COUNTED if counted else 0]
    for r in records:
        params = str(r.params, "utf-8")
        values += (
            r.installation_id, r.event_name, r.timestamp_ns, r.session_id, params, r.tab_id, r.seq
        )  # fmt: skip
    return values


def decode_record_row(row: Sequence[Any]) -> Record:
    """Return the record for the values of COLUMNS."""
    installation_id, event_name, timestamp_ns, session_id, params, tab_id, seq = row
    raw = msgspec.Raw(params.encode())
    return Record(installation_id, event_name, timestamp_ns, session_id, raw, tab_id, seq)


def encode_report_row(report: SessionReport, reported_at: int) -> tuple[object, ...]:
    """Return the values of `INSERT_REPORT`."""
    return report.session_id, report.dropped, report.filtered, reported_at
