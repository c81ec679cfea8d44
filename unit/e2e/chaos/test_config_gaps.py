"""When a worker knew no configuration, read off a journal."""

from __future__ import annotations

import math
from datetime import datetime, timezone

from multidict import CIMultiDict

from e2e.chaos.config_gaps import MARGIN_SECONDS, config_gaps, has_config
from pytest_sharedworker.gateway.exchange import Exchange
from pytest_sharedworker.gateway.journal import Journal

PATTERN = "GET /config"


def journal(*told: bool, worker: str = "one", first_second: int = 0) -> Journal:
    journal = Journal()
    for second, was_told in enumerate(told, first_second):
        journal.add(
            Exchange(
                number=second, method="GET", url="", path="/config", request_headers=CIMultiDict(), request_body=b"",
                sender="worker", worker_id=worker, request_number=None, virtual_seconds=None,
                started_at=datetime.now(timezone.utc), started_seconds=second, ended_seconds=second + 0.5,
                status=200 if was_told else 503, upstream_status=200,
            )
        )  # fmt: skip
    return journal


def test_worker_that_is_told_at_once_is_never_blind() -> None:
    assert list(config_gaps(journal(True, True), PATTERN)) == []


def test_worker_is_blind_from_its_failed_request_to_the_one_that_succeeds() -> None:
    assert list(config_gaps(journal(False, False, True), PATTERN)) == [(0, 2.5 + MARGIN_SECONDS)]


def test_worker_that_is_never_told_is_blind_for_ever() -> None:
    assert list(config_gaps(journal(True, False), PATTERN)) == [(1, math.inf)]


def test_last_answer_decides_whether_a_worker_is_told() -> None:
    assert has_config(journal(False, True), PATTERN, "one")
    assert not has_config(journal(True, False), PATTERN, "one")
    assert not has_config(journal(True), PATTERN, "two")


def test_answer_that_differs_from_the_servers_tells_nothing() -> None:
    cut_off = journal(True)
    cut_off.exchanges[0].upstream_response_body = b"{}"
    assert not has_config(cut_off, PATTERN, "one")
