"""Who sent a request, as the gateway decides it: by announcements, the Referer and Fetch Metadata."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from aiohttp import web

from pytest_sharedworker.control.server import ControlServer
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.gateway.toxics import ResetPeer
from pytest_sharedworker.gateway.worker_support import NoWorkers
from unit.support.announcing_worker import AnnouncingWorker
from unit.support.servers import Client, Upstream, send
from unit.support.worker_scripts import WORKER_HEADERS


@pytest.mark.parametrize(
    ("headers", "sender"),
    [
        ([], "unknown"),
        (["Sec-Fetch-Mode: navigate"], "tab"),
        (["Referer: {origin}/page.html"], "tab"),
        (["Referer: {origin}/static/own.worker.js"], "worker"),
        (["Referer: {origin}/static/own.worker.js?v=1"], "worker"),
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


EMPTY = "Sec-Fetch-Dest: empty"


@pytest.fixture
def announcing(gateway: Gateway, sharedworker_control: ControlServer) -> Iterator[AnnouncingWorker]:
    """Start a worker that announces requests."""
    with AnnouncingWorker(sharedworker_control, gateway) as worker:
        yield worker


def list_senders(gateway: Gateway) -> list[tuple[str | None, int | None]]:
    return [(exchange.worker_id, exchange.request_number) for exchange in gateway.journal]


@pytest.mark.parametrize("virtual_time", [30_000.0, None])
def test_announced_request_has_worker_number_and_virtual_time(
    gateway: Gateway, announcing: AnnouncingWorker, virtual_time: float | None
) -> None:
    announcing.announce("/x?a=b", number=7, method="patch", virtual_time=virtual_time)
    send(gateway, "patch /x?a=b HTTP/1.1", EMPTY)
    exchange = gateway.journal.exchanges[0]
    assert (exchange.sender, exchange.worker_id, exchange.request_number) == ("worker", announcing.id, 7)
    assert exchange.virtual_time == virtual_time


@pytest.mark.parametrize(
    "request_lines",
    [
        ("GET /y HTTP/1.1", EMPTY),
        ("POST /x HTTP/1.1", EMPTY),
        ("GET /x HTTP/1.1", EMPTY, "Referer: {origin}/page.html"),
        ("GET /x HTTP/1.1", "Sec-Fetch-Dest: script", "Referer: {origin}/own.worker.js"),
        ("GET /x HTTP/1.1", "Sec-Fetch-Dest: document", "Sec-Fetch-Mode: navigate"),
    ],
)
def test_announcement_is_not_for_another_request(
    gateway: Gateway, announcing: AnnouncingWorker, request_lines: tuple[str, ...]
) -> None:
    announcing.announce("/x")
    send(gateway, *(line.format(origin=gateway.url) for line in request_lines))
    send(gateway, "GET /x HTTP/1.1", EMPTY, f"Referer: {announcing.url}")
    assert list_senders(gateway) == [(None, None), (announcing.id, 1)]


def test_announced_script_is_the_workers(gateway: Gateway, announcing: AnnouncingWorker) -> None:
    script = ("GET /x HTTP/1.1", "Sec-Fetch-Dest: script")
    announcing.announce("/x", number=None)
    for _ in range(2):
        send(gateway, *script)
    assert list_senders(gateway) == [(announcing.id, None), (None, None)]


def test_announcement_with_a_referrer_of_its_own_is_for_any_referer(
    gateway: Gateway, announcing: AnnouncingWorker
) -> None:
    announcing.announce("/x", has_own_referrer=True)
    send(gateway, "GET /x HTTP/1.1", EMPTY, f"Referer: {gateway.url}/elsewhere")
    assert list_senders(gateway) == [(announcing.id, 1)]


def test_request_waits_for_its_announcement(gateway: Gateway, announcing: AnnouncingWorker) -> None:
    with Client(gateway, "GET /x HTTP/1.1", EMPTY, f"Referer: {announcing.url}") as client:
        announcing.announce("/x", number=3)
        assert client.read().status == 200
    assert list_senders(gateway) == [(announcing.id, 3)]


def test_requests_of_two_workers_of_one_script_are_told_apart(
    gateway: Gateway, announcing: AnnouncingWorker, sharedworker_control: ControlServer
) -> None:
    with AnnouncingWorker(sharedworker_control, gateway) as other:
        for worker in (other, announcing, other):
            worker.announce("/x")
            send(gateway, "GET /x HTTP/1.1", EMPTY, f"Referer: {worker.url}")
    assert [worker for worker, _ in list_senders(gateway)] == [other.id, announcing.id, other.id]


def test_announcement_of_a_request_that_has_ended_is_forgotten(
    gateway: Gateway, announcing: AnnouncingWorker
) -> None:
    announcing.announce("/x", number=1)  # Such as one that the browser's cache responded to.
    announcing.end(1)
    announcing.announce("/x", number=2)
    send(gateway, "GET /x HTTP/1.1", EMPTY)
    assert list_senders(gateway) == [(announcing.id, 2)]


def test_request_that_the_browser_repeats_has_the_same_number(
    gateway: Gateway, announcing: AnnouncingWorker
) -> None:
    announcing.announce("/x", number=4)
    with gateway.add_toxic(ResetPeer(), times=1):
        send(gateway, "GET /x HTTP/1.1", EMPTY)
    send(gateway, "GET /x HTTP/1.1", EMPTY)
    assert list_senders(gateway) == [(announcing.id, 4), (announcing.id, 4)]


@pytest.mark.parametrize(
    ("status", "method", "location", "redirected"),
    [
        (302, "GET", "/y?z", "GET /y?z"),
        (302, "POST", "y", "GET /y"),
        (303, "PUT", "{origin}/y", "GET /y"),
        (307, "POST", "/y", "POST /y"),
    ],
)
def test_request_that_follows_a_redirect_has_the_same_number(
    gateway: Gateway,
    upstream: Upstream,
    announcing: AnnouncingWorker,
    status: int,
    method: str,
    location: str,
    redirected: str,
) -> None:
    headers = {"Location": location.format(origin=gateway.url)}
    upstream.respond = lambda request: web.Response(
        status=status if request.path == "/x" else 200, headers=headers
    )
    announcing.announce("/x", number=5, method=method)
    send(gateway, f"{method} /x HTTP/1.1", EMPTY)
    send(gateway, f"{redirected} HTTP/1.1", EMPTY, f"Referer: {announcing.url}")
    assert list_senders(gateway) == [(announcing.id, 5), (announcing.id, 5)]
