"""The records that one transaction inserts, and what it adds to the counters."""

import sqlite3
import time
from collections.abc import Iterable, Sequence
from itertools import chain, islice

from reference_server.model.record import Record
from reference_server.storage.accounting import (
    add_new_records,
    count_new_records,
    find_tabs_with_deletions,
    read_last_id,
)
from reference_server.storage.conflicts import find_conflicts
from reference_server.storage.row_mapping import (
    COUNT_RECEIVED,
    INSERT,
    INSERT_MANY,
    encode_record_row,
)
from reference_server.storage.store import Added

_ROWS_AT_ONCE = max(INSERT_MANY)
"""How many rows are in memory at once, beside their records."""


class Insertion:
    """Inserts records in a transaction of the caller, which ends it with `count`. Raise sqlite3.Error."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._last_id = read_last_id(connection)
        self._received = self._duplicates = 0
        self._new_count = 0
        self._seqs: dict[str, list[int]] = {}
        self._are_all_new = True
        """Whether all are new, and none is counted by the triggers: then no query has to tell which are."""

    def insert(self, records: Sequence[Record]) -> Added:
        """Insert the records of one request, except repeats and conflicts."""
        now = int(time.time())
        tab_ids = {record.tab_id for record in records if record.tab_id is not None}
        by_triggers = find_tabs_with_deletions(self._connection, tab_ids)
        new_count = self._insert_rows(
            encode_record_row(record, now, record.tab_id not in by_triggers) for record in records
        )
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
            count_new_records(self._connection, self._last_id)
        elif self._new_count:
            add_new_records(self._connection, self._new_count, self._seqs)

    def _note(self, records: Sequence[Record], *, are_new: bool) -> None:
        self._are_all_new &= are_new
        if not self._are_all_new:
            return
        self._new_count += len(records)
        for record in records:
            if record.tab_id is not None and record.seq is not None:
                self._seqs.setdefault(record.tab_id, []).append(record.seq)

    def _insert_rows(self, rows: Iterable[tuple[object, ...]]) -> int:
        """Return how many rows are new."""
        waiting = iter(rows)
        new_count = 0
        while part := list(islice(waiting, _ROWS_AT_ONCE)):
            for size, statement in INSERT_MANY.items():
                while len(part) >= size:
                    values = tuple(chain.from_iterable(part[:size]))
                    new_count += self._connection.execute(statement, values).rowcount
                    del part[:size]
            # The rowcount of executemany is the sum of all statements, without conflicting rows.
            new_count += max(0, self._connection.executemany(INSERT, part).rowcount)
        return new_count
