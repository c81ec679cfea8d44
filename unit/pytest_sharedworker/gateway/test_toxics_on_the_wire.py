"""Each toxic on a real connection in real time, as a client without mercy sees it.

What toxics mean in a worker's virtual time stands in e2e/plugin.
"""

from __future__ import annotations

import time

import pytest
from aiohttp import web

from pytest_sharedworker.gateway.gateway import Gateway
from unit.support.servers import Client, Upstream, ask

DELAY_MS = 150
BODY = bytes(range(256)) * 8


@pytest.fixture
def upstream(upstream: Upstream) -> Upstream:
    upstream.respond = lambda _: web.Response(body=BODY)
    return upstream


def test_latency_delays_the_answer_after_the_server_took_the_request(
    gateway: Gateway, upstream: Upstream
) -> None:
    gateway.toxic("latency", latency_ms=DELAY_MS)
    begun = time.monotonic()
    assert ask(gateway).body == BODY
    assert time.monotonic() - begun >= DELAY_MS / 1000
    assert gateway.journal.exchanges[0].toxics == [f"latency latency_ms={DELAY_MS}"]


def test_latency_upstream_delays_the_request(gateway: Gateway, upstream: Upstream) -> None:
    arrived: list[float] = []

    def respond(_: web.Request) -> web.Response:
        arrived.append(time.monotonic())
        return web.Response()

    upstream.respond = respond
    gateway.toxic("latency", latency_ms=DELAY_MS, stream="upstream")
    begun = time.monotonic()
    ask(gateway)
    assert arrived[0] - begun >= DELAY_MS / 1000


def test_jitter_stays_within_its_bounds_and_repeats_with_its_seed(gateway: Gateway) -> None:
    def delay_ms() -> float:
        with gateway.toxic("latency", latency_ms=DELAY_MS, jitter_ms=DELAY_MS, seed=4) as toxic:
            drawn = DELAY_MS + DELAY_MS * type(toxic.random)(4).uniform(-1, 1)
            begun = time.monotonic()
            ask(gateway)
            assert (time.monotonic() - begun) * 1000 >= min(drawn, 0)
            return drawn

    assert 0 <= delay_ms() <= 2 * DELAY_MS


def test_timeout_closes_without_an_answer_and_the_server_sees_nothing(
    gateway: Gateway, upstream: Upstream
) -> None:
    gateway.toxic("timeout", timeout_ms=DELAY_MS)
    begun = time.monotonic()
    reply = ask(gateway)
    assert time.monotonic() - begun >= DELAY_MS / 1000
    assert (reply.raw, reply.reset, upstream.received) == (b"", False, [])
    [exchange] = gateway.journal.wait_for()
    assert (exchange.status, exchange.upstream_status) == (None, None)


def test_timeout_downstream_closes_after_the_server_took_the_request(
    gateway: Gateway, upstream: Upstream
) -> None:
    gateway.toxic("timeout", timeout_ms=1, stream="downstream")
    assert ask(gateway).raw == b""
    assert len(upstream.received) == 1


def test_timeout_0_never_closes(gateway: Gateway, upstream: Upstream) -> None:
    gateway.toxic("timeout")
    with Client(gateway) as client:
        [exchange] = gateway.journal.wait_for(ended=False)
        client.settimeout(DELAY_MS / 1000)
        with pytest.raises(TimeoutError):
            client.read()
        assert not exchange.ended
    assert upstream.received == []


@pytest.mark.parametrize("timeout_ms", [0, DELAY_MS])
def test_reset_peer_is_seen_as_a_reset(gateway: Gateway, upstream: Upstream, timeout_ms: int) -> None:
    gateway.toxic("reset_peer", timeout_ms=timeout_ms)
    begun = time.monotonic()
    reply = ask(gateway)
    assert time.monotonic() - begun >= timeout_ms / 1000
    assert (reply.raw, reply.reset, upstream.received) == (b"", True, [])


def test_drop_response_reaches_the_server_once_and_the_client_never(
    gateway: Gateway, upstream: Upstream
) -> None:
    gateway.toxic("drop_response", on="POST *")
    reply = ask(gateway, "POST / HTTP/1.1", body=b"x")
    assert (reply.raw, reply.reset) == (b"", True)
    assert [received.body for received in upstream.received] == [b"x"]
    [exchange] = gateway.journal.wait_for("POST *")
    assert (exchange.status, exchange.response_body) == (None, b"")
    assert (exchange.upstream_status, exchange.upstream_response_body) == (200, BODY)


@pytest.mark.parametrize("limit", [0, 1, 1_000])
def test_limit_data_sends_so_many_bytes_and_resets(gateway: Gateway, upstream: Upstream, limit: int) -> None:
    gateway.toxic("limit_data", bytes=limit)
    reply = ask(gateway)
    assert (reply.status, reply.body, reply.reset) == (200, BODY[:limit], True)
    assert reply.header("Content-Length") == [str(len(BODY))]
    [exchange] = gateway.journal.wait_for()
    assert (exchange.response_body, exchange.upstream_response_body) == (BODY[:limit], BODY)


def test_limit_data_beyond_the_answer_changes_nothing(gateway: Gateway, upstream: Upstream) -> None:
    gateway.toxic("limit_data", bytes=len(BODY))
    reply = ask(gateway)
    assert (reply.body, reply.reset) == (BODY, False)


def test_limit_data_in_a_large_answer_cuts_at_the_byte(gateway: Gateway, upstream: Upstream) -> None:
    upstream.respond = lambda _: web.Response(body=BODY * 1024)
    gateway.toxic("limit_data", bytes=1_000_003)
    reply = ask(gateway)
    assert (len(reply.body), reply.reset) == (1_000_003, True)


def test_slicer_sends_slices_apart(gateway: Gateway, upstream: Upstream) -> None:
    gateway.toxic("slicer", average_size=1_024, delay_ms=DELAY_MS)
    begun = time.monotonic()
    assert ask(gateway).body == BODY
    assert time.monotonic() - begun >= len(BODY) / 1_024 * DELAY_MS / 1000


def test_bandwidth_takes_its_time(gateway: Gateway, upstream: Upstream) -> None:
    gateway.toxic("bandwidth", rate_kib_per_second=10)
    begun = time.monotonic()
    assert ask(gateway).body == BODY
    assert time.monotonic() - begun >= 2 / 10


def test_slow_close_keeps_the_connection_after_the_whole_answer(gateway: Gateway, upstream: Upstream) -> None:
    gateway.toxic("slow_close", delay_ms=DELAY_MS)
    begun = time.monotonic()
    assert ask(gateway).body == BODY
    assert time.monotonic() - begun >= DELAY_MS / 1000


def test_down_refuses_and_comes_back_on_the_same_port(gateway: Gateway, upstream: Upstream) -> None:
    with gateway.toxic("down"), pytest.raises(ConnectionRefusedError):
        ask(gateway)
    assert ask(gateway).body == BODY
    assert len(upstream.received) == 1


def test_a_second_down_outlives_the_first(gateway: Gateway) -> None:
    with gateway.toxic("down"):
        with gateway.toxic("down"):
            pass
        with pytest.raises(ConnectionRefusedError):
            ask(gateway)
    assert ask(gateway).status == 200


def test_a_connection_made_before_down_is_of_no_use_after_it(gateway: Gateway, upstream: Upstream) -> None:
    with Client(gateway, last_line=False) as early:
        ask(gateway, "GET /later HTTP/1.1")  # Connections are accepted in order: the early one is by now.
        with gateway.toxic("down"):
            early.send("\r\n")
            assert early.read().raw == b""
    assert [received.raw_path for received in upstream.received] == ["/later"]


def test_status_is_answered_without_the_server(gateway: Gateway, upstream: Upstream) -> None:
    gateway.toxic("status", status=429, headers={"Retry-After": "7"}, body='{"error": "busy"}')
    reply = ask(gateway)
    assert (reply.status, reply.body) == (429, b'{"error": "busy"}')
    assert reply.header("Retry-After") == ["7"]
    assert reply.header("Content-Type") == ["application/json"]
    assert upstream.received == []


def test_toxics_add_up(gateway: Gateway, upstream: Upstream) -> None:
    gateway.toxic("latency", latency_ms=DELAY_MS)
    gateway.toxic("limit_data", bytes=10)
    begun = time.monotonic()
    reply = ask(gateway)
    assert time.monotonic() - begun >= DELAY_MS / 1000
    assert (reply.body, reply.reset) == (BODY[:10], True)


def test_only_what_a_toxic_is_meant_for_is_hit(gateway: Gateway, upstream: Upstream) -> None:
    with gateway.toxic("status", on="POST /api/*", status=500, times=1) as toxic:
        assert ask(gateway, "GET /api/a HTTP/1.1").status == 200
        assert ask(gateway, "POST /other HTTP/1.1").status == 200
        assert ask(gateway, "POST /api/a HTTP/1.1").status == 500
        assert ask(gateway, "POST /api/a HTTP/1.1").status == 200
        assert toxic.applied == 1
        assert not gateway.journal.exchanges[-1].toxics


def test_a_toxic_that_is_removed_hits_no_more(gateway: Gateway, upstream: Upstream) -> None:
    toxic = gateway.toxic("status", status=500)
    assert ask(gateway).status == 500
    toxic.remove()
    toxic.remove()
    assert ask(gateway).status == 200
