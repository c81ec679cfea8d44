"""Toxics on a worker's open WebSocket: on virtual time, delays are exact."""

from __future__ import annotations

from typing import Literal

import pytest

from e2e.plugin.app import ECHO, App
from pytest_sharedworker import (
    Clock,
    Latency,
    LimitData,
    ResetPeer,
    SharedWorker,
    Slicer,
    SlowClose,
    Timeout,
    Toxic,
)

HEARTBEAT = (
    """
    self.answers = [];
    self.ended = [];
    let deadline;
    const socket = new WebSocket(`ws://${location.host}/socket`);
    const beat = () => {
        socket.send("ping");
        deadline = setTimeout(() => ended.push(["dead", performance.now()]), 5000);
    };
    socket.onopen = () => { setInterval(beat, 20_000); };
    socket.onmessage = () => { clearTimeout(deadline); answers.push(performance.now()); };
    socket.onclose = ({ code }) => ended.push([code, performance.now()]);
"""
    + ECHO
)
"""A worker that sends every 20 s, and wants an answer within 5 s."""


@pytest.fixture
def worker(app: App, worker_clock: Clock) -> SharedWorker:
    app.gateway.route_web_socket("**/socket", lambda socket: socket.on_message(socket.send))
    worker = app.start(HEARTBEAT)
    worker_clock.run_for(1_000)
    return worker


def test_answers_come_at_once_without_toxics(worker: SharedWorker, worker_clock: Clock) -> None:
    worker_clock.run_for(64_000)
    assert worker.evaluate("answers") == [20_000, 40_000, 60_000]
    assert worker.evaluate("ended") == []


@pytest.mark.parametrize("stream", ["upstream", "downstream"])
def test_latency_delays_messages_in_virtual_time(
    app: App, worker: SharedWorker, worker_clock: Clock, stream: Literal["upstream", "downstream"]
) -> None:
    with app.gateway.add_toxic(Latency(latency=3_000), on="**/socket", stream=stream):
        worker_clock.run_for(64_000)
    assert worker.evaluate("answers") == [23_000, 43_000, 63_000]
    worker_clock.run_for(20_000)
    assert worker.evaluate("answers")[3:] == [80_000]
    assert worker.evaluate("ended") == []


@pytest.mark.parametrize("toxic", [Latency(latency=6_000), Timeout()])
def test_late_answer_is_missed_at_its_virtual_time(
    app: App, worker: SharedWorker, worker_clock: Clock, toxic: Toxic
) -> None:
    app.gateway.add_toxic(toxic, on="**/socket")
    worker_clock.run_for(25_000)
    assert worker.evaluate("ended") == [["dead", 25_000]]


@pytest.mark.parametrize(
    ("toxic", "answers", "ended"),
    [
        (Slicer(average_size=2, delay=500), [21_000, 41_000], []),
        (LimitData(bytes=6), [20_000], [[1006, 40_000]]),
        (SlowClose(delay=5_000), [20_000, 40_000], []),
    ],
    ids=lambda value: value.name if isinstance(value, Toxic) else None,
)
def test_toxic_acts_on_an_open_socket_in_virtual_time(
    app: App,
    worker: SharedWorker,
    worker_clock: Clock,
    toxic: Toxic,
    answers: list[int],
    ended: list[list[int]],
) -> None:
    app.gateway.add_toxic(toxic, on="**/socket", optional=toxic.name == "slow_close")
    worker_clock.run_for(43_000)
    assert worker.evaluate("answers") == answers
    assert worker.evaluate("ended") == ended


@pytest.mark.parametrize("close", ["worker", "server"])
def test_slow_close_ends_the_connection_at_its_virtual_time(
    app: App, worker: SharedWorker, worker_clock: Clock, close: str
) -> None:
    app.gateway.add_toxic(SlowClose(delay=5_000), on="**/socket")
    if close == "worker":
        worker.evaluate("socket.close(4001)")
    else:
        app.gateway._web_socket_router.rules.in_force[0].routes[0].close(code=4001)
    worker_clock.run_for(10_000)
    assert worker.evaluate("ended") == [[4001, 6_000]]


def test_reset_ends_the_connection_at_its_virtual_time(
    app: App, worker: SharedWorker, worker_clock: Clock
) -> None:
    app.gateway.add_toxic(ResetPeer(timeout=2_500), on="**/socket")
    worker_clock.run_for(2_000)
    assert worker.evaluate("ended") == []
    worker_clock.run_for(1_000)
    assert worker.evaluate("ended") == [[1006, 3_500]]
