"""Retry: a batch that fails goes back to the front of the queue and leaves with the next flush."""

from __future__ import annotations

from typing import Any

import pytest

from e2e.case import Finding, Level, case
from e2e.telemetry import Telemetry, order_by_tab

PROTOCOL = "wire protocol, failed POST: records go back to the front of the queue"


def failure(number: int, name: str, title: str, toxic: str, **attributes: Any) -> Any:
    """One way in which a POST fails before the server has taken it."""
    return pytest.param(
        toxic,
        attributes,
        id=name,
        marks=case(
            f"retry/1/{number}",
            Level.MUST,
            f"A batch whose POST {title} is kept and sent again, in front of what came later.",
            expected="all stored once, each tab's events in order",
            source=PROTOCOL,
        ),
    )


def expect_all_stored_in_order(telemetry: Telemetry) -> None:
    """Give the worker time to send again and close the books. Raises Finding."""
    # A worker that backs off may take its time, but not for ever.
    telemetry.flush(4)
    telemetry.advance(3600)
    taken = [batch for batch in telemetry.batches if batch.taken]
    for name, order in order_by_tab(taken).items():
        if order != sorted(order):
            raise Finding(f"{name}'s events in the order in which it logged them", f"{order}")
    telemetry.account()


@pytest.mark.parametrize(
    ("toxic", "attributes"),
    [
        failure(1, "500", "is answered with 500", "status", status=500),
        failure(2, "503", "is answered with 503", "status", status=503),
        failure(3, "reset", "is cut off by a reset", "reset_peer"),
        failure(4, "refused", "is refused with the connection", "down"),
    ],
)
def test_failed_batch_is_sent_again(telemetry: Telemetry, toxic: str, attributes: dict[str, Any]) -> None:
    first, second = telemetry.open_tabs(2)
    for tab in (first, second):
        tab.log(2)
    telemetry.settle()
    # `down` is a matter of connections: it refuses the whole origin, not one path.
    fault = telemetry.gateway.toxic("down") if toxic == "down" else telemetry.break_posts(toxic, **attributes)
    with fault:
        telemetry.flush(2)
    for tab in (first, second):
        tab.log(2)
    expect_all_stored_in_order(telemetry)


@case(
    "retry/2/1",
    Level.MUST,
    "A batch that fails goes in front of what was logged while it was out.",
    expected="all stored once, each tab's events in order",
    source=PROTOCOL,
)
def test_failed_batch_goes_in_front_of_what_came_meanwhile(telemetry: Telemetry) -> None:
    telemetry.break_posts("latency", latency_ms=5_000, stream="upstream", times=1)
    telemetry.break_posts("status", status=500, times=1)
    tab = telemetry.open_tab()
    tab.log(2)
    telemetry.flush()
    tab.log(2)
    expect_all_stored_in_order(telemetry)
