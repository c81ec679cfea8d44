"""The bound on the requests of a worker, on journals that are made up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import pytest
from multidict import CIMultiDict

from e2e.chaos.request_bound import MAX_FAILURES_PER_HOUR, RequestBound, makes_progress
from pytest_sharedworker.gateway.exchange import Exchange

SUCCESS = b'{"status": "success", "accepted": 1}'
RECORDS = [{"event_name": "click"}]


def make_post(
    number: int, at_ms: float, response: bytes = b"", *, records: Sequence[Any] = RECORDS, session: str = "s"
) -> Exchange:
    body = json.dumps({"records": list(records), "session_id": session}).encode()
    return Exchange(
        number=number, method="POST", url="http://127.0.0.1:1/t", path="/t",
        request_headers=CIMultiDict(), request_body=body, sender="worker", worker_id="one",
        request_number=number, virtual_time=at_ms, started_at=datetime.now(timezone.utc),
        started_seconds=0.0, received_seconds=0.0, status=200 if response else 503,
        response_body=response, upstream_response_body=response,
    )  # fmt: skip


def find(*requests: Exchange, sessions: int = 0, online: int = 0) -> list[str]:
    bound = RequestBound()
    return list(bound.find_floods(requests, sessions_started=sessions, times_online=online))


def test_worker_waits_a_second_after_a_failure() -> None:
    assert find(make_post(0, 0), make_post(1, 1_000)) == []
    assert len(find(make_post(0, 0), make_post(1, 999))) == 1


def test_worker_need_not_wait_after_progress() -> None:
    assert find(make_post(0, 0, SUCCESS), make_post(1, 0, SUCCESS), make_post(2, 0)) == []


def test_sessions_have_their_own_pace() -> None:
    assert find(make_post(0, 0), make_post(1, 1, session="next")) == []


@pytest.mark.parametrize("online", [0, 3])
def test_failures_of_an_hour_are_limited(online: int) -> None:
    limit = MAX_FAILURES_PER_HOUR + online
    requests = [make_post(number, number * 60_000.0) for number in range(50)]
    assert find(*requests[:limit], online=online) == []
    assert len(find(*requests[: limit + 1], online=online)) == 1


def test_failures_of_many_hours_are_not_added() -> None:
    assert find(*(make_post(number, number * 600_000.0) for number in range(500))) == []


def test_batch_without_records_is_a_flood() -> None:
    assert "without records" in find(make_post(0, 0, SUCCESS, records=[]))[0]


def test_false_success_makes_no_progress() -> None:
    false_success = make_post(0, 0, SUCCESS)
    false_success.upstream_response_body = b""
    assert makes_progress(make_post(0, 0, SUCCESS))
    assert not makes_progress(false_success)
    assert not makes_progress(make_post(0, 0, b"{}"))
