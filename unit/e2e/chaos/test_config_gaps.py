"""Times without a configuration, or with a disabled one, read from a worker's requests."""

from __future__ import annotations

import math
from datetime import datetime, timezone

from multidict import CIMultiDict

from e2e.chaos.config_gaps import MARGIN_SECONDS, config_gaps, disabled_gaps, has_config, offline_gap
from pytest_sharedworker.gateway.exchange import Exchange

ENABLED = b'{"disable_ui_telemetry": false}'
DISABLED = b'{"disable_ui_telemetry": true}'


def make_requests(*successes: bool, body: bytes = ENABLED) -> list[Exchange]:
    """Return requests one second apart, of half a second each, with whether each succeeds."""
    return [
        Exchange(
            number=second, method="GET", url="http://127.0.0.1:1/config", path="/config",
            request_headers=CIMultiDict(), request_body=b"",
            sender="worker", worker_id="one", request_number=None, virtual_time=None,
            started_at=datetime.now(timezone.utc), started_seconds=second, ended_seconds=second + 0.5,
            status=200 if succeeded else 503, upstream_status=200,
            response_body=body, upstream_response_body=body,
        )
        for second, succeeded in enumerate(successes)
    ]  # fmt: skip


def test_worker_without_failed_requests_has_no_gap() -> None:
    assert list(config_gaps(make_requests(True, True))) == []


def test_gap_ends_with_the_next_successful_request() -> None:
    assert list(config_gaps(make_requests(False, False, True))) == [(0, 2.5 + MARGIN_SECONDS)]


def test_gap_without_a_successful_request_ends_with_the_worker() -> None:
    assert list(config_gaps(make_requests(False, False))) == [(0, math.inf)]
    assert list(config_gaps(make_requests(False, False), ended=9.0)) == [(0, 9.0)]


def test_worker_of_a_profile_with_a_configuration_has_no_gap() -> None:
    assert list(config_gaps(make_requests(False, False), was_remembered=lambda at: True)) == []


def test_session_keeps_its_configuration_when_a_later_request_fails() -> None:
    assert list(config_gaps(make_requests(True, False, True))) == []


def test_session_after_consent_begins_without_a_configuration() -> None:
    for consent in ((0.0, 0.1), (0.7, 0.8), (0.9, 1.1)):
        assert list(config_gaps(make_requests(True, False), [consent])) == [(1, math.inf)]
    assert list(config_gaps(make_requests(True, False), [(1.1, 1.2)])) == []


def test_gap_of_an_offline_worker_ends_with_the_next_successful_request() -> None:
    requests = make_requests(True, False, True)
    assert offline_gap(requests, 0.2) == (0.2, 2.5 + MARGIN_SECONDS)
    assert offline_gap(requests, 2.2) == (2.2, math.inf)
    assert offline_gap(requests, 2.2, ended=8.0) == (2.2, 8.0)


def test_worker_is_disabled_until_it_reads_that_telemetry_is_enabled() -> None:
    requests = make_requests(True, body=DISABLED) + make_requests(False, False, True)[1:]
    assert list(disabled_gaps(requests, lambda request: True)) == [(0, 2.5 + MARGIN_SECONDS)]
    assert list(disabled_gaps(requests[:1], lambda request: True, ended=5.0)) == [(0, 5.0)]


def test_glitch_that_says_disabled_is_no_gap() -> None:
    assert list(disabled_gaps(make_requests(True, body=DISABLED), lambda request: False)) == []


def test_last_request_decides_whether_a_worker_has_a_configuration() -> None:
    assert has_config(make_requests(False, True))
    assert not has_config(make_requests(True, False))
    assert not has_config([])


def test_response_that_was_changed_delivers_no_configuration() -> None:
    cut_off = make_requests(True)
    cut_off[0].upstream_response_body = b"{}"
    assert not has_config(cut_off)
    assert not has_config(make_requests(True, body=b"{}"))
    assert not has_config(make_requests(True, body=b"[]"))
    assert not has_config(make_requests(True, body=b""))
