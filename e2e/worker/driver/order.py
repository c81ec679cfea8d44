"""In which order the events of a tab left, and were stored."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from e2e.conformance.case import FindingError
from e2e.worker.driver.system import Telemetry


def order_by_tab(keys: Iterable[str]) -> dict[str, list[int]]:
    """The sequence numbers of each tab, in the order of the keys."""
    order: dict[str, list[int]] = {}
    for key in keys:
        tab, _, sequence = key.partition("/")
        if sequence.isdecimal():  # What is no event of a tab is the accounting's business.
            order.setdefault(tab, []).append(int(sequence))
    return order


def expect_order(telemetry: Telemetry) -> None:
    """Each tab's events were stored in the order in which it logged them. Raises FindingError."""
    _expect_in_order(telemetry.stored)


def expect_order_of_sending(telemetry: Telemetry) -> None:
    """Each tab's events left in the order in which it logged them. Raises FindingError.

    Of POSTs side by side, which a worker may send in time, a server may store the later one first.
    """
    _expect_in_order(key for batch in telemetry.batches for key in batch.keys)


def _expect_in_order(keys: Iterable[str]) -> None:
    for name, order in order_by_tab(keys).items():
        for earlier, later in pairwise(order):
            if later < earlier:
                raise FindingError(
                    f"{name}'s events in the order in which it logged them",
                    f"{name}/{later} behind {name}/{earlier}",
                )
