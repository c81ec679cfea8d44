"""Retry: only an explicit success confirms a batch, and it does so whatever the server already had of it.

An intermediary, a server that is starting or one that fails half-way may respond with a success status and a
body of its own. A worker that takes such a response for a success loses the batch, and nobody notices.
`test_retry_responses.py` covers such responses to batches that the server did store.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from e2e.conformance.case import FindingError, Level, case
from e2e.worker.driver.retry import drain, expect_all_stored_in_order, require_virtual_time
from e2e.worker.driver.system import Telemetry
from pytest_sharedworker import AsyncRoute, Route

EXPLICIT = 'wire protocol, response: {"status": "success"} confirms a batch, nothing else does'
COUNTED = "wire protocol, response: the counts of a batch cover its records"

Respond = Callable[[int], tuple[int, str]]
"""Returns status and body of the response to a batch of so many records."""


def make_case(number: int, name: str, title: str, respond: Respond, source: str = EXPLICIT) -> Any:
    """Return the parameter of one case: a response that does not confirm the batch."""
    return pytest.param(
        respond,
        id=name,
        marks=case(
            f"retry/10/{number}",
            Level.SHOULD,
            f"A worker keeps a batch whose response is {title}, and sends it again.",
            expected="all stored once, each tab's events in order",
            source=source,
        ),
    )


def make_body(number: int, name: str, body: object, status: int = 200) -> Any:
    """Return the parameter of one case: a response with this body for a batch of any size."""
    text = "" if body is None else json.dumps(body)
    title = f"{status} {text}".strip()
    return make_case(number, name, title, lambda records: (status, text))


def make_counts(number: int, name: str, title: str, count: Callable[[int], dict[str, Any]]) -> Any:
    """Return the parameter of one case: a success whose counts do not cover the batch."""

    def respond(records: int) -> tuple[int, str]:
        return 200, json.dumps({"status": "success", **count(records)})

    return make_case(number, name, title, respond, COUNTED)


@pytest.mark.parametrize(
    "respond",
    [
        make_body(1, "object", {}),
        make_body(2, "error", {"status": "error"}),
        make_body(3, "no-success", {"success": False}),
        make_body(4, "list", []),
        make_body(5, "string", "ok"),
        make_body(6, "202", {}, 202),
        make_body(7, "204", None, 204),
        make_counts(
            8,
            "fewer",
            "a success that counts fewer records than were sent",
            lambda records: {"accepted": records - 1, "duplicates": 0, "rejected": []},
        ),
        make_counts(9, "none", "a success that accepts no record", lambda records: {"accepted": 0}),
        make_body(10, "true", True),
        make_body(11, "status-true", {"status": True}),
        make_body(12, "queued", {"status": "queued"}, 202),
        make_body(13, "503-disabled", {"status": "disabled"}, 503),
        make_body(14, "nested", {"data": {"status": "success"}}),
    ],
)
def test_response_without_success_is_retried(telemetry: Telemetry, respond: Respond) -> None:
    require_virtual_time(telemetry)

    def answer(route: Route) -> None:
        records = len(json.loads(route.exchange.decoded_body)["records"])
        status, body = respond(records)
        route.fulfill(status=status, body=body, headers={"Content-Type": "application/json"})

    telemetry.route_posts(answer, times=1)
    tab = telemetry.open_tab()
    tab.log(3)
    telemetry.flush()
    tab.log(2)
    expect_all_stored_in_order(telemetry)


def make_duplicates(number: int, name: str, title: str, accepted: int, duplicates: int) -> Any:
    """Return the parameter of one case: the counts of a success for a batch of three records."""
    counts = {"accepted": accepted, "duplicates": duplicates, "rejected": []}
    return pytest.param(
        counts,
        id=name,
        marks=case(
            f"retry/11/{number}",
            Level.SHOULD,
            f"A worker does not send a batch again that the server {title}.",
            expected="each event in one POST",
            source=COUNTED,
        ),
    )


@pytest.mark.parametrize(
    "counts",
    [
        make_duplicates(1, "included", "already had, and counts as accepted too", 3, 3),
        make_duplicates(2, "apart", "already had, and counts apart from the accepted ones", 0, 3),
        make_duplicates(3, "some-included", "had a part of, and counts as accepted too", 3, 1),
        make_duplicates(4, "some-apart", "had a part of, and counts apart from the accepted ones", 2, 1),
    ],
)
def test_batch_that_the_server_already_had_is_not_retried(
    telemetry: Telemetry, counts: dict[str, Any]
) -> None:
    require_virtual_time(telemetry)

    async def accept(route: AsyncRoute) -> None:
        response = await route.fetch()
        if len(json.loads(route.exchange.decoded_body)["records"]) == 3:
            route.fulfill(response=response, json={"status": "success", **counts})
        else:
            route.fulfill(response=response)

    with telemetry.route_posts(accept):
        tab = telemetry.open_tab()
        tab.log(3)
        drain(telemetry)
    times = Counter(key for batch in telemetry.batches for key in batch.keys)
    again = sorted(key for key, count in times.items() if count > 1)
    if again:
        raise FindingError("each event in one POST", f"sent again: {', '.join(again)}")
    telemetry.account()
