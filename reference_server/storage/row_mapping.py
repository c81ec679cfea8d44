"""How records and reports stand in the tables of `schema.py`."""

from collections.abc import Sequence
from typing import Any

import msgspec

from reference_server.model.batch import SessionReport
from reference_server.model.record import Record

COLUMNS = "installation_id, event_name, timestamp_ns, session_id, params, tab_id, seq"

SELECT_ALL = f"SELECT {COLUMNS} FROM records ORDER BY id"

INSERT = f"INSERT INTO records ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
"""A record whose identity is stored already is left out; one without an identity never is."""

INSERT_REPORT = """
INSERT INTO sessions (session_id, dropped, filtered) VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET
    dropped = max(dropped, excluded.dropped),
    filtered = max(filtered, excluded.filtered)
"""


def row_of(record: Record) -> tuple[object, ...]:
    """Give the values of a record's COLUMNS."""
    r = record
    params = bytes(r.params).decode()
    return r.installation_id, r.event_name, r.timestamp_ns, r.session_id, params, r.tab_id, r.seq


def record_of(row: Sequence[Any]) -> Record:
    """Give the record whose COLUMNS these are."""
    installation_id, event_name, timestamp_ns, session_id, params, tab_id, seq = row
    raw = msgspec.Raw(params.encode())
    return Record(installation_id, event_name, timestamp_ns, session_id, raw, tab_id, seq)


def report_row_of(report: SessionReport) -> tuple[object, ...]:
    """Give the values of a row of `sessions`."""
    return report.session_id, report.dropped, report.filtered
