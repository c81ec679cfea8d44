"""The interface between the server and a store of records."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from reference_server.model.batch import SessionReport
from reference_server.model.losses import Totals
from reference_server.model.record import Record
from reference_server.storage.dead_letters import DeadLetter


class CommitObserver(Protocol):
    """Measures the transactions of a store."""

    def observe_commit(self, seconds: float) -> None:
        """Observe the duration of one committed transaction; called from any thread."""


class Added(NamedTuple):
    """What `Store.add` did. The records that are neither new nor in conflict are duplicates."""

    new_count: int
    conflicts: tuple[int, ...] = ()
    """Positions of records that are not stored, because another record has their identity."""


class Store(Protocol):
    """A store of records. It is opened first; then its methods may be called from any event loop."""

    async def open(self, observer: CommitObserver | None = None) -> None:
        """Open the store. Raise StoreUnavailableError."""

    async def add(self, records: Sequence[Record], report: SessionReport | None = None) -> Added:
        """Store all records, and the maximum of each count that a session reports, or store nothing.

        A record whose identity is already stored is not stored again: it is a duplicate, or in conflict if
        its content differs. Return when all is durable. Raise StoreUnavailableError if nothing is stored.
        """

    async def add_dead_letters(self, letters: Sequence[DeadLetter], rejected_count: int) -> None:
        """Keep what was rejected for the operator, within bounds, and count all of it.

        A body that is refused as a whole is a letter and counts as no record. Raise StoreUnavailableError if
        nothing was stored.
        """

    async def read_records(self) -> list[Record]:
        """Return all stored records in order of arrival."""

    async def count(self) -> int:
        """Return the number of stored records."""

    async def read_totals(self) -> Totals:
        """Read the counters, without a scan of the records. Raise StoreUnavailableError."""

    async def check_writable(self) -> None:
        """Raise StoreUnavailableError if the store could not store a record now."""

    async def close(self) -> None:
        """Finish pending work and release all resources. Closing a closed store does nothing."""
