"""Each toxic on a real connection in real time, as a client sees it that hides nothing.

Toxics in a worker's virtual time are tested in e2e/plugin.
"""

from __future__ import annotations

import time
from random import Random
from typing import cast

import pytest
from aiohttp import web

from pytest_sharedworker.control.server import ControlServer
from pytest_sharedworker.control.session import ControlChannel
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.gateway.toxics import (
    Bandwidth,
    Down,
    DropResponse,
    HttpStatus,
    Latency,
    LimitData,
    ResetPeer,
    Slicer,
    SlowClose,
    Timeout,
)
from pytest_sharedworker.integration.event_loop_thread import LoopThread
from unit.support.announcing_worker import AnnouncingWorker
from unit.support.servers import Client, Upstream, send

DELAY_MS = 150
BODY = bytes(range(256)) * 8


@pytest.fixture
def upstream(upstream: Upstream) -> Upstream:
    upstream.respond = lambda _: web.Response(body=BODY)
    return upstream


def test_latency_delays_the_response(gateway: Gateway, upstream: Upstream) -> None:
    gateway.add_toxic(Latency(latency=DELAY_MS))
    begun = time.monotonic()
    assert send(gateway).body == BODY
    assert time.monotonic() - begun >= DELAY_MS / 1000
    assert gateway.journal.exchanges[0].toxics == [f"latency latency={DELAY_MS}"]


def test_latency_upstream_delays_the_request(gateway: Gateway, upstream: Upstream) -> None:
    arrived: list[float] = []

    def respond(_: web.Request) -> web.Response:
        arrived.append(time.monotonic())
        return web.Response()

    upstream.respond = respond
    gateway.add_toxic(Latency(latency=DELAY_MS), stream="upstream")
    begun = time.monotonic()
    send(gateway)
    assert arrived[0] - begun >= DELAY_MS / 1000


def test_jitter_stays_within_its_bounds_and_repeats_with_its_seed(gateway: Gateway) -> None:
    def delay_ms() -> float:
        with gateway.add_toxic(Latency(latency=DELAY_MS, jitter=DELAY_MS), seed=4):
            drawn = DELAY_MS + DELAY_MS * Random(4).uniform(-1, 1)
            begun = time.monotonic()
            send(gateway)
            assert (time.monotonic() - begun) * 1000 >= min(drawn, 0)
            return drawn

    assert 0 <= delay_ms() <= 2 * DELAY_MS


def test_timeout_closes_and_the_server_sees_no_request(gateway: Gateway, upstream: Upstream) -> None:
    gateway.add_toxic(Timeout(timeout=DELAY_MS))
    begun = time.monotonic()
    reply = send(gateway)
    assert time.monotonic() - begun >= DELAY_MS / 1000
    assert (reply.raw, reply.reset, upstream.received) == (b"", False, [])
    [exchange] = gateway.journal.wait_for()
    assert (exchange.status, exchange.upstream_status) == (None, None)


def test_timeout_downstream_closes_after_the_request(gateway: Gateway, upstream: Upstream) -> None:
    gateway.add_toxic(Timeout(timeout=1), stream="downstream")
    assert send(gateway).raw == b""
    assert len(upstream.received) == 1


def test_timeout_0_never_closes(gateway: Gateway, upstream: Upstream) -> None:
    gateway.add_toxic(Timeout())
    with Client(gateway) as client:
        [exchange] = gateway.journal.wait_for(ended=False)
        client.settimeout(DELAY_MS / 1000)
        with pytest.raises(TimeoutError):
            client.read()
        assert not exchange.ended
    assert upstream.received == []


@pytest.mark.parametrize("timeout_ms", [0, DELAY_MS])
def test_reset_peer_resets_the_connection(gateway: Gateway, upstream: Upstream, timeout_ms: int) -> None:
    gateway.add_toxic(ResetPeer(timeout=timeout_ms))
    begun = time.monotonic()
    reply = send(gateway)
    assert time.monotonic() - begun >= timeout_ms / 1000
    assert (reply.raw, reply.reset, upstream.received) == (b"", True, [])


def test_drop_response_loses_the_response_of_one_request(gateway: Gateway, upstream: Upstream) -> None:
    gateway.add_toxic(DropResponse(), on="POST **")
    reply = send(gateway, "POST / HTTP/1.1", body=b"x")
    assert (reply.raw, reply.reset) == (b"", True)
    assert [received.body for received in upstream.received] == [b"x"]
    [exchange] = gateway.journal.wait_for("POST **")
    assert (exchange.status, exchange.response_body) == (None, b"")
    assert (exchange.upstream_status, exchange.upstream_response_body) == (200, BODY)


@pytest.mark.parametrize("limit", [0, 1, 1_000])
def test_limit_data_sends_some_bytes_and_resets(gateway: Gateway, upstream: Upstream, limit: int) -> None:
    gateway.add_toxic(LimitData(bytes=limit))
    reply = send(gateway)
    assert (reply.status, reply.body, reply.reset) == (200, BODY[:limit], True)
    assert reply.header("Content-Length") == [str(len(BODY))]
    [exchange] = gateway.journal.wait_for()
    assert (exchange.response_body, exchange.upstream_response_body) == (BODY[:limit], BODY)


def test_limit_data_beyond_the_response_changes_nothing(gateway: Gateway, upstream: Upstream) -> None:
    gateway.add_toxic(LimitData(bytes=len(BODY)))
    reply = send(gateway)
    assert (reply.body, reply.reset) == (BODY, False)


def test_limit_data_cuts_a_large_response_at_the_byte(gateway: Gateway, upstream: Upstream) -> None:
    upstream.respond = lambda _: web.Response(body=BODY * 1024)
    gateway.add_toxic(LimitData(bytes=1_000_003))
    reply = send(gateway)
    assert (len(reply.body), reply.reset) == (1_000_003, True)


def test_slicer_delays_each_slice(gateway: Gateway, upstream: Upstream) -> None:
    gateway.add_toxic(Slicer(average_size=1_024, delay=DELAY_MS))
    begun = time.monotonic()
    assert send(gateway).body == BODY
    assert time.monotonic() - begun >= len(BODY) / 1_024 * DELAY_MS / 1000


def test_bandwidth_limits_the_rate(gateway: Gateway, upstream: Upstream) -> None:
    gateway.add_toxic(Bandwidth(rate=10))
    begun = time.monotonic()
    assert send(gateway).body == BODY
    assert time.monotonic() - begun >= 2 / 10


def test_slow_close_keeps_the_connection_open(gateway: Gateway, upstream: Upstream) -> None:
    gateway.add_toxic(SlowClose(delay=DELAY_MS))
    begun = time.monotonic()
    assert send(gateway).body == BODY
    assert time.monotonic() - begun >= DELAY_MS / 1000


def test_down_refuses_and_comes_back_on_the_same_port(gateway: Gateway, upstream: Upstream) -> None:
    with gateway.add_toxic(Down()), pytest.raises(ConnectionRefusedError):
        send(gateway)
    assert send(gateway).body == BODY
    assert len(upstream.received) == 1


def test_second_down_outlives_the_first(gateway: Gateway) -> None:
    with gateway.add_toxic(Down()):
        with gateway.add_toxic(Down()):
            pass
        with pytest.raises(ConnectionRefusedError):
            send(gateway)
    assert send(gateway).status == 200


def test_connection_from_before_down_gets_no_response(gateway: Gateway, upstream: Upstream) -> None:
    with Client(gateway, last_line=False) as early:
        send(gateway, "GET /later HTTP/1.1")  # Connections are accepted in order: the early one is by now.
        with gateway.add_toxic(Down()):
            early.send("\r\n")
            assert early.read().raw == b""
    assert [received.raw_path for received in upstream.received] == ["/later"]


def test_http_status_responds_without_the_server(gateway: Gateway, upstream: Upstream) -> None:
    headers = {"Retry-After": "7", "Set-Cookie": "a=1\nb=2"}
    gateway.add_toxic(HttpStatus(429, headers=headers, body='{"error": "busy"}'))
    reply = send(gateway)
    assert (reply.status, reply.body) == (429, b'{"error": "busy"}')
    assert (reply.header("Retry-After"), reply.header("Set-Cookie")) == (["7"], ["a=1", "b=2"])
    assert reply.header("Content-Type") == ["application/json"]
    assert upstream.received == []


def test_toxics_add_up(gateway: Gateway, upstream: Upstream) -> None:
    gateway.add_toxic(Latency(latency=DELAY_MS))
    gateway.add_toxic(LimitData(bytes=10))
    begun = time.monotonic()
    reply = send(gateway)
    assert time.monotonic() - begun >= DELAY_MS / 1000
    assert (reply.body, reply.reset) == (BODY[:10], True)


def test_toxic_hits_its_pattern_as_often_as_allowed(gateway: Gateway, upstream: Upstream) -> None:
    with gateway.add_toxic(HttpStatus(500), on="POST /api/*", times=1) as toxic:
        assert send(gateway, "GET /api/a HTTP/1.1").status == 200
        assert send(gateway, "POST /other HTTP/1.1").status == 200
        assert send(gateway, "POST /api/a HTTP/1.1").status == 500
        assert send(gateway, "POST /api/a HTTP/1.1").status == 200
        assert toxic.hits == 1
        assert not gateway.journal.exchanges[-1].toxics


def test_removed_toxic_hits_no_more(gateway: Gateway, upstream: Upstream) -> None:
    toxic = gateway.add_toxic(HttpStatus(500))
    assert send(gateway).status == 500
    toxic.remove()
    toxic.remove()
    assert send(gateway).status == 200


def test_toxic_of_an_announced_request_without_virtual_time_takes_real_time(
    gateway: Gateway, sharedworker_control: ControlServer
) -> None:
    gateway.add_toxic(Latency(latency=DELAY_MS))
    begun = time.monotonic()
    with AnnouncingWorker(sharedworker_control, gateway) as worker:
        worker.announce("/")
        assert send(gateway).status == 200
    assert time.monotonic() - begun >= DELAY_MS / 1000
    assert gateway.journal.exchanges[0].paused_seconds == DELAY_MS / 1000


def test_timeout_0_ends_when_the_client_leaves(gateway: Gateway) -> None:
    gateway.add_toxic(Timeout())
    with Client(gateway):
        [exchange] = gateway.journal.wait_for(ended=False)
    assert gateway.journal.wait_for_end(exchange)
    assert (exchange.status, exchange.cut) == (None, None)


def test_down_at_worker_start_waits_for_a_worker(gateway: Gateway, sharedworker_loop: LoopThread) -> None:
    session = cast("ControlChannel", None)
    with gateway.add_toxic(Down(at_worker_start=True)):
        assert send(gateway).status == 200
        sharedworker_loop.run(gateway._on_worker_start(session))
        with pytest.raises(ConnectionRefusedError):
            send(gateway)
    assert send(gateway).status == 200


def test_toxic_that_hits_nothing_is_reported(lone_gateway: Gateway) -> None:
    gateway = lone_gateway
    gateway._start()
    gateway.add_toxic(ResetPeer(), on="POST /api")
    with gateway.add_toxic(Latency(latency=1), on="GET /removed"):
        send(gateway)
    gateway.add_toxic(Latency(latency=2), on="GET /optional", optional=True)
    with gateway.add_toxic(Down()):
        pass
    assert gateway._list_unused_faults() == [
        "the toxic reset_peer on POST /api met no request",
        "the toxic latency latency=1 on GET /removed met no request",
    ]
    send(gateway, "POST /api HTTP/1.1")
    assert len(gateway._list_unused_faults()) == 1


def test_callable_that_raises_fails_the_request_and_the_test(gateway: Gateway, upstream: Upstream) -> None:
    def fail(url: str) -> bool:
        raise LookupError(url)

    gateway.add_toxic(ResetPeer(), on=fail, optional=True)
    reply = send(gateway, "GET /a HTTP/1.1")
    assert (reply.status, upstream.received) == (500, [])
    with pytest.raises(LookupError, match="/a"):
        gateway._raise_handler_error()
