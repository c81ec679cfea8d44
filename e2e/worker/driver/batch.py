"""A batch: one POST to the endpoint, as the journal has it, and its records."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from e2e.conformance.accounting import get_event_key
from e2e.conformance.case import FindingError
from pytest_sharedworker import Exchange


@dataclass(frozen=True)
class Batch:
    """One POST and its records; `ended` is true once the exchange is over.

    The body may have other fields beside `records`; they are a matter of the worker and its server.
    """

    exchange: Exchange
    records: list[dict[str, Any]]
    ended: bool

    @property
    def keys(self) -> list[str]:
        """The events' identities, in the order of the batch."""
        return [get_event_key(record) for record in self.records]

    @property
    def session_ids(self) -> set[str]:
        """The session ids of its records."""
        return {str(record.get("session_id")) for record in self.records}


def read_batches(exchanges: Iterable[Exchange], known: dict[int, Batch]) -> list[Batch]:
    """Read the POSTs that the gateway has received, and keep those that have ended in `known`, by number.

    The body of a large POST takes a while, and may break off: then it is no batch. Raise FindingError as
    `read_batch` does.
    """
    received = [exchange for exchange in exchanges if exchange.received_seconds is not None]
    for exchange in received:
        batch = known.get(exchange.number)
        if batch is None or not batch.ended:
            known[exchange.number] = read_batch(exchange)
    return [known[exchange.number] for exchange in received]


def read_batch(exchange: Exchange) -> Batch:
    """Read the records of a POST. Raise FindingError if its body has no list of records."""
    ended = exchange.ended  # Read first: the exchange may end while its body is read here.
    try:
        records = exchange.json()["records"]
        if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
            raise TypeError("no list of objects")
    except (ValueError, KeyError, TypeError) as error:
        raise FindingError('a JSON body {"records": […]}', f"{exchange.request_body[:200]!r}") from error
    return Batch(exchange, records, ended)
