"""The records that one transaction inserts, and what it adds to the counters."""

import sqlite3
import time
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from itertools import groupby

from reference_server.model.record import Record
from reference_server.storage import accounting, sessions
from reference_server.storage.conflicts import find_conflicts
from reference_server.storage.row_mapping import COUNT_RECEIVED, INSERTS, encode_records
from reference_server.storage.store import Added


class Insertion:
    """Inserts records in a transaction of the caller, which ends it with `count`. Raise sqlite3.Error."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._last_id = accounting.read_last_id(connection)
        self._received = self._duplicates = 0
        self._new_by_session = Counter[str]()
        self._seqs: dict[str, list[int]] = {}
        self._are_all_new = True
        """Whether all are new, and none is counted by the triggers: then no query has to tell which are."""

    def insert(self, records: Sequence[Record]) -> Added:
        """Insert the records of one request, except repeats and conflicts."""
        now = int(time.time())
        tab_ids = {record.tab_id for record in records if record.tab_id is not None}
        by_triggers = accounting.find_tabs_with_deletions(self._connection, tab_ids)
        parts = _split_by_counting(records, by_triggers)
        new_count = sum(self._insert_rows(part, now, counted) for counted, part in parts)
        conflicts: tuple[int, ...] = ()
        if new_count < len(records):
            conflicts = find_conflicts(self._connection, records)
        received = len(records) - len(conflicts)
        self._received += received
        self._duplicates += received - new_count
        self._note(records, are_new=new_count == len(records) and not by_triggers)
        return Added(new_count, conflicts)

    def count(self) -> None:
        """Add the records to the counters."""
        if self._received:
            self._connection.execute(COUNT_RECEIVED, (self._received, self._duplicates))
        if not self._are_all_new:
            accounting.count_new_records(self._connection, self._last_id)
            sessions.count_new_records(self._connection, self._last_id)
        elif self._new_by_session:
            accounting.add_new_records(self._connection, self._new_by_session.total(), self._seqs)
            sessions.add_new_records(self._connection, self._new_by_session)

    def _note(self, records: Sequence[Record], *, are_new: bool) -> None:
        self._are_all_new &= are_new
        if not self._are_all_new:
            return
        self._new_by_session.update(record.session_id for record in records)
        for record in records:
            if record.tab_id is not None and record.seq is not None:
                self._seqs.setdefault(record.tab_id, []).append(record.seq)

    def _insert_rows(self, records: Sequence[Record], received_at: int, counted: bool) -> int:
        """Return how many records are new."""
        new_count = position = 0
        for size, statement in INSERTS.items():
            while len(records) - position >= size:
                values = encode_records(records[position : position + size], received_at, counted)
                new_count += self._connection.execute(statement, values).rowcount
                position += size
        return new_count


def _split_by_counting(
    records: Sequence[Record], by_triggers: Collection[str]
) -> Iterable[tuple[bool, Sequence[Record]]]:
    """Return the records in their order, in parts that the triggers count (False) or not (True)."""
    if not by_triggers:
        return [(True, records)]
    parts = groupby(records, lambda record: record.tab_id not in by_triggers)
    return ((counted, list(part)) for counted, part in parts)
