"""Times without a configuration, read from a journal."""

from __future__ import annotations

import math
from datetime import datetime, timezone

from multidict import CIMultiDict

from e2e.chaos.config_gaps import MARGIN_SECONDS, config_gaps, end_of_gap, has_config
from pytest_sharedworker.gateway.exchange import Exchange
from pytest_sharedworker.gateway.journal import Journal
from pytest_sharedworker.gateway.patterns import Origin

ORIGIN = "http://127.0.0.1:1"
PATTERN = "GET /config"


def make_journal(*successes: bool, worker: str = "one", first_second: int = 0) -> Journal:
    journal = Journal(Origin(ORIGIN))
    for second, succeeded in enumerate(successes, first_second):
        journal.add(
            Exchange(
                number=second, method="GET", url=f"{ORIGIN}/config", path="/config",
                request_headers=CIMultiDict(), request_body=b"",
                sender="worker", worker_id=worker, request_number=None, virtual_time=None,
                started_at=datetime.now(timezone.utc), started_seconds=second, ended_seconds=second + 0.5,
                status=200 if succeeded else 503, upstream_status=200,
            )
        )  # fmt: skip
    return journal


def test_worker_without_failed_requests_has_no_gap() -> None:
    assert list(config_gaps(make_journal(True, True), PATTERN)) == []


def test_gap_ends_with_the_next_successful_request() -> None:
    assert list(config_gaps(make_journal(False, False, True), PATTERN)) == [(0, 2.5 + MARGIN_SECONDS)]


def test_gap_without_a_successful_request_has_no_end() -> None:
    assert list(config_gaps(make_journal(False, False), PATTERN)) == [(0, math.inf)]


def test_session_keeps_its_configuration_when_a_later_request_fails() -> None:
    assert list(config_gaps(make_journal(True, False, True), PATTERN)) == []


def test_session_after_consent_begins_without_a_configuration() -> None:
    for consent in ((0.0, 0.1), (0.7, 0.8), (0.9, 1.1)):
        assert list(config_gaps(make_journal(True, False), PATTERN, [consent])) == [(1, math.inf)]
    assert list(config_gaps(make_journal(True, False), PATTERN, [(1.1, 1.2)])) == []


def test_last_request_decides_whether_a_worker_has_a_configuration() -> None:
    assert has_config(make_journal(False, True), PATTERN, "one")
    assert not has_config(make_journal(True, False), PATTERN, "one")
    assert not has_config(make_journal(True), PATTERN, "two")


def test_response_that_was_cut_off_delivers_no_configuration() -> None:
    cut_off = make_journal(True)
    cut_off.exchanges[0].upstream_response_body = b"{}"
    assert not has_config(cut_off, PATTERN, "one")


def test_gap_of_an_offline_worker_ends_with_the_next_successful_request() -> None:
    journal = make_journal(True, False, True)
    assert end_of_gap(journal, PATTERN, 0.2) == 2.5 + MARGIN_SECONDS
    assert end_of_gap(journal, PATTERN, 2.2) == math.inf
