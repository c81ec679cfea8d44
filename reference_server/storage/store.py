"""The interface between the server and a store of records."""

from collections.abc import Sequence
from typing import Protocol

from reference_server.model.batch import SessionReport
from reference_server.model.losses import Losses
from reference_server.model.record import Record


class CommitObserver(Protocol):
    """Measures the transactions of a store."""

    def observe_commit(self, seconds: float) -> None:
        """Observe the duration of one committed transaction; called from any thread."""


class Store(Protocol):
    """A store of records. It is opened first; then its methods may be called from any event loop."""

    async def open(self, observer: CommitObserver | None = None) -> None:
        """Open the store. Raise StoreUnavailableError."""

    async def add(self, records: Sequence[Record], report: SessionReport | None = None) -> int:
        """Store all records, and the maximum of each count that a session reports, or store nothing.

        A record whose identity is already stored is not stored again. Return how many records were new, once
        all of them are durable. Raise StoreUnavailableError if nothing was stored.
        """

    async def read_records(self) -> list[Record]:
        """Return all stored records in order of arrival."""

    async def count(self) -> int:
        """Return the number of stored records."""

    async def count_losses(self) -> Losses:
        """Count the events that are not stored. Raise StoreUnavailableError."""

    async def close(self) -> None:
        """Finish pending work and release all resources. Closing a closed store does nothing."""
