"""The mapping between records or reports and the rows of the tables in `schema.py`."""

from collections.abc import Sequence
from typing import Any

import msgspec

from reference_server.model.batch import SessionReport
from reference_server.model.record import Record

COLUMNS = "installation_id, event_name, timestamp_ns, session_id, params, tab_id, seq"

SELECT_ALL = f"SELECT {COLUMNS} FROM records ORDER BY id"

_INSERT = f"""
INSERT INTO records ({COLUMNS}, received_at, counted) VALUES {{}}
ON CONFLICT DO NOTHING
"""
_VALUES = "(?, ?, ?, ?, ?, ?, ?, ?, ?)"

INSERT = _INSERT.format(_VALUES)
"""Skips a record whose identity is already stored. A record without an identity is never skipped."""

INSERT_MANY = {count: _INSERT.format(", ".join([_VALUES] * count)) for count in (100, 10)}
"""The same for several records: SQLite begins and ends a statement once for all of them. Their number → the
statement, the largest first. SQLite before 3.32 allows 999 parameters."""

INSERT_REPORT = """
INSERT INTO sessions (session_id, dropped, filtered, reported_at) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET
    dropped = max(dropped, excluded.dropped),
    filtered = max(filtered, excluded.filtered),
    reported_at = excluded.reported_at
"""

SELECT_IDENTIFIED = f"SELECT {COLUMNS} FROM records WHERE tab_id = ? AND seq = ?"

COUNT_RECEIVED = "UPDATE totals SET accepted = accepted + ?, duplicates = duplicates + ?"


def encode_record_row(record: Record, received_at: int, counted: bool) -> tuple[object, ...]:
    """Return the values of `INSERT` for a record. `counted`: see `accounting.count_new_records`."""
    r = record
    params = bytes(r.params).decode()
    return (
        r.installation_id, r.event_name, r.timestamp_ns, r.session_id, params, r.tab_id, r.seq,
        received_at, counted,
    )  # fmt: skip


def decode_record_row(row: Sequence[Any]) -> Record:
    """Return the record for the values of COLUMNS."""
    installation_id, event_name, timestamp_ns, session_id, params, tab_id, seq = row
    raw = msgspec.Raw(params.encode())
    return Record(installation_id, event_name, timestamp_ns, session_id, raw, tab_id, seq)


def encode_report_row(report: SessionReport, reported_at: int) -> tuple[object, ...]:
    """Return the values of `INSERT_REPORT`."""
    return report.session_id, report.dropped, report.filtered, reported_at
