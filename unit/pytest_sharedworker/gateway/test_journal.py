"""The journal: selection, waiting, and what it shows. Its HAR export is tested in test_har.py."""

from __future__ import annotations

import gzip
import re
import threading
from datetime import datetime, timezone
from typing import Any

import pytest
from multidict import CIMultiDict

from pytest_sharedworker.errors import GatewayError, WaitTimeoutError
from pytest_sharedworker.gateway.exchange import Exchange
from pytest_sharedworker.gateway.journal import Journal
from pytest_sharedworker.gateway.patterns import Origin
from pytest_sharedworker.gateway.worker_support import NoWorkers

ORIGIN = "http://127.0.0.1:1"
SHORT = 50
"""In ms."""


def exchange(number: int = 1, method: str = "POST", path: str = "/api/items", **more: Any) -> Exchange:
    values: dict[str, Any] = {
        "number": number, "method": method, "url": f"{ORIGIN}{path}", "path": path,
        "request_headers": CIMultiDict(), "request_body": b"", "sender": "worker", "worker_id": "w1",
        "request_number": number, "virtual_time": None, "started_at": datetime.now(timezone.utc),
        "started_seconds": 0.5, "ended_seconds": 0.75,
    }  # fmt: skip
    return Exchange(**{**values, **more})


class ExplainedWorkers(NoWorkers):
    """Explains a failed wait."""

    def explain(self) -> str:
        """Return a text."""
        return "The workers: none."


@pytest.fixture
def journal() -> Journal:
    journal = Journal(Origin(ORIGIN))
    journal.add(exchange(1, "GET", "/page.html", sender="tab", worker_id=None))
    journal.add(exchange(2, "POST", "/api/items?page=2"))
    journal.add(exchange(3, "POST", "/api/items", worker_id="w2"))
    return journal


def test_select_takes_pattern_sender_and_worker(journal: Journal) -> None:
    assert [each.number for each in journal.select()] == [1, 2, 3]
    assert [each.number for each in journal.select("POST **")] == [2, 3]
    assert [each.number for each in journal.select(sender="tab")] == [1]
    assert [each.number for each in journal.select("**/api/*", worker_id="w2")] == [3]


def test_exchanges_are_a_copy(journal: Journal) -> None:
    journal.exchanges.clear()
    assert len(journal) == 3


def test_wait_for_returns_past_exchanges_at_once(journal: Journal) -> None:
    assert [each.number for each in journal.wait_for("POST **", count=2, timeout=0)] == [2, 3]


def test_wait_for_sees_what_another_thread_adds(journal: Journal) -> None:
    threading.Timer(SHORT / 1000, journal.add, [exchange(4, "PUT")]).start()
    assert [each.number for each in journal.wait_for("PUT **")] == [4]


def test_wait_for_waits_for_the_end_by_default(journal: Journal) -> None:
    open_exchange = exchange(4, "PUT", ended_seconds=None)
    journal.add(open_exchange)
    assert journal.wait_for("PUT **", ended=False, timeout=0) == [open_exchange]
    with pytest.raises(WaitTimeoutError):
        journal.wait_for("PUT **", timeout=0)

    def end() -> None:
        open_exchange.ended_seconds = 1.0
        journal.update()

    threading.Timer(SHORT / 1000, end).start()
    assert journal.wait_for("PUT **") == [open_exchange]


def test_failed_wait_shows_what_was_seen_instead() -> None:
    journal = Journal(Origin(ORIGIN), ExplainedWorkers())
    for number in range(1, 4):
        journal.add(exchange(number, "POST" if number > 1 else "GET"))
    with pytest.raises(WaitTimeoutError) as error:
        journal.wait_for("POST **", count=3, timeout=SHORT)
    text = str(error.value)
    assert text.startswith("waited 50 ms for 3 of 'POST **', saw 2.")
    assert "The journal's last 3 of 3 exchanges:" in text
    assert "#1" in text
    assert text.endswith("The workers: none.")


def test_wait_timeout_is_a_timeout_error(journal: Journal) -> None:
    with pytest.raises(TimeoutError):
        journal.wait_for("DELETE **", timeout=0)


def test_tail_shows_the_last_exchanges_only(journal: Journal) -> None:
    tail = journal.tail(2)
    assert "last 2 of 3" in tail
    assert "#1 " not in tail
    assert "#3 " in tail


def test_line_has_sender_times_bodies_outcome_and_toxics() -> None:
    busy = exchange(7, virtual_time=30_000, request_body=b'{"a": 1}', status=503, response_body=b"busy")
    busy.toxics = ["http_status status=503"]
    line = str(busy)
    assert line.startswith("#7")
    for part in (
        "0.500 s",
        "worker 30.000 s",
        "POST /api/items",
        '{"a": 1}',
        "503 busy",
        "[http_status status=503]",
    ):
        assert part in line


def test_line_distinguishes_no_response_and_pending() -> None:
    assert "no response" in str(exchange(status=None))
    assert "under way" in str(exchange(status=None, ended_seconds=None))


def test_long_or_binary_body_is_shortened_to_one_line() -> None:
    line = str(exchange(request_body=b"\xff\n" * 1_000))
    assert "\n" not in line
    assert "(2000 bytes)" in line
    assert len(line) < 900


def test_text_of_a_script_is_not_shown() -> None:
    served = exchange(
        status=200,
        response_body=b"let secret",
        response_headers=CIMultiDict({"Content-Type": "text/javascript"}),
    )
    assert "secret" not in str(served)


def test_json_is_the_body_of_the_request() -> None:
    assert exchange(request_body=b'{"records": []}').json() == {"records": []}
    with pytest.raises(ValueError, match="Expecting"):
        exchange(request_body=b"").json()


def test_body_is_read_without_its_content_encoding() -> None:
    packed = gzip.compress(b'{"records": []}')
    request = exchange(request_body=packed, request_headers=CIMultiDict({"Content-Encoding": "gzip"}))
    assert request.json() == {"records": []}
    assert '{"records": []}' in str(request)
    assert request.request_body == packed, "the bytes of the wire stay unchanged"
    cut = exchange(request_body=packed[:10], request_headers=CIMultiDict({"Content-Encoding": "gzip"}))
    assert cut.decoded_body == packed[:10]


def test_end_of_an_exchange_can_be_awaited(journal: Journal) -> None:
    under_way = exchange(ended_seconds=None)
    journal.add(under_way)
    assert not journal.wait_for_end(under_way, timeout=SHORT)

    def end() -> None:
        under_way.ended_seconds = 1.0
        journal.update()

    threading.Timer(SHORT / 1000, end).start()
    assert journal.wait_for_end(under_way)


def test_pattern_that_cannot_match_is_refused_at_once(journal: Journal) -> None:
    with pytest.raises(GatewayError, match=r"did you mean 'POST /api'"):
        journal.select("PSOT /api")
    with pytest.raises(GatewayError, match=r"did you mean '\*\*'"):
        journal.wait_for("*")


def test_query_counts_in_a_pattern(journal: Journal) -> None:
    assert [each.number for each in journal.select("/api/items")] == [3]
    assert [each.number for each in journal.select("/api/items?page=2")] == [2]
    assert [each.number for each in journal.select("/api/items{,?**}")] == [2, 3]
    assert [each.number for each in journal.select(re.compile(r"page=\d"))] == [2]
    assert [each.number for each in journal.select(lambda url: url.endswith(".html"))] == [1]


@pytest.mark.parametrize("sender", ["Worker", "workers", ""])
def test_sender_that_does_not_exist_is_refused(journal: Journal, sender: Any) -> None:
    with pytest.raises(GatewayError, match=r"there is no sender .*: a sender is tab or worker or unknown"):
        journal.select(sender=sender)


def test_worker_id_that_is_no_text_is_refused(journal: Journal) -> None:
    worker_id: Any = object()
    with pytest.raises(GatewayError, match=r"such as worker\.id"):
        journal.select(worker_id=worker_id)
