"""Who sent a request, as the gateway decides it: by the tag, the Referer and Fetch Metadata."""

from __future__ import annotations

import pytest

from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.gateway.worker_support import NoWorkers
from unit.support.servers import send
from unit.support.worker_scripts import WORKER_HEADERS


@pytest.mark.parametrize(
    ("headers", "sender"),
    [
        ([], "unknown"),
        (["Sec-Fetch-Mode: navigate"], "tab"),
        (["Referer: {origin}/page.html"], "tab"),
        (["Referer: {origin}/static/own.worker.js"], "worker"),
        (["Referer: {origin}/static/own.worker.js?v=1"], "worker"),
        (["X-Pytest-Sharedworker: abc.7.30000"], "worker"),
    ],
)
def test_sender_is_identified(gateway: Gateway, headers: list[str], sender: str) -> None:
    send(gateway, "GET /static/own.worker.js HTTP/1.1", *WORKER_HEADERS)
    send(gateway, "GET /x HTTP/1.1", *(header.format(origin=gateway.url) for header in headers))
    assert gateway.journal.select("/x")[0].sender == sender


class OneWorker(NoWorkers):
    """Has one worker."""

    def worker_at(self, url: str) -> str | None:
        """Return the worker's id."""
        return "w1" if url.endswith("/own.worker.js") else None


def test_untagged_request_gets_the_id_of_the_worker_at_its_referer(gateway: Gateway) -> None:
    gateway._attach(OneWorker())
    send(gateway, "GET /own.worker.js HTTP/1.1", *WORKER_HEADERS)
    for path in ("own.worker.js", "page.html"):
        send(gateway, f"GET /{path}-data HTTP/1.1", f"Referer: {gateway.url}/{path}")
    senders = [(exchange.sender, exchange.worker_id) for exchange in gateway.journal]
    assert senders[1:] == [("worker", "w1"), ("tab", None)]


def test_tag_without_virtual_time_has_none(gateway: Gateway) -> None:
    send(gateway, "GET / HTTP/1.1", "X-Pytest-Sharedworker: abc.7.")
    exchange = gateway.journal.exchanges[0]
    assert (exchange.sender, exchange.worker_id, exchange.request_number) == ("worker", "abc", 7)
    assert exchange.virtual_time is None
