"""Records that have the identity of a stored record, but another content.

Such a record was not sent again: it is another event. To take it for a duplicate would acknowledge an event
that is lost, and let whoever is first to use an identity suppress the event of somebody else.
"""

import sqlite3
from collections.abc import Sequence

import msgspec

from reference_server.model.record import Record
from reference_server.storage.row_mapping import SELECT_IDENTIFIED, decode_record_row


def find_conflicts(connection: sqlite3.Connection, records: Sequence[Record]) -> tuple[int, ...]:
    """Return the positions of records whose identity belongs to a record with another content.

    Call this after the records were inserted. Raise sqlite3.Error.
    """
    return tuple(
        position
        for position, record in enumerate(records)
        if record.tab_id is not None and _is_conflict(connection, record)
    )


def _is_conflict(connection: sqlite3.Connection, record: Record) -> bool:
    row = connection.execute(SELECT_IDENTIFIED, (record.tab_id, record.seq)).fetchone()
    if row is None:  # The stored record was deleted; only its identity is known.
        return False
    stored = decode_record_row(row)
    # Not the session: a tab sends its events again to the worker after one that ended; both may post them.
    is_same_event = (
        stored.installation_id == record.installation_id
        and stored.event_name == record.event_name
        and stored.timestamp_ns == record.timestamp_ns
    )
    return not (is_same_event and _is_same_json(stored.params, record.params))


def _is_same_json(first: msgspec.Raw, second: msgspec.Raw) -> bool:
    """Return whether two texts differ at most in spelling: spaces, escapes, the order of names.

    Not by Python's ==, for which true is 1 and 1.0.
    """
    if bytes(first) == bytes(second):
        return True
    try:
        return _normalize(first) == _normalize(second)
    except RecursionError:  # They can be stored, but there may be less of the stack left here.
        return False


def _normalize(text: msgspec.Raw) -> bytes:
    return msgspec.json.encode(msgspec.json.decode(text), order="sorted")
