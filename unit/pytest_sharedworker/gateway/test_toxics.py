"""Toxics by themselves: their attributes, wrong use, and which exchanges they hit.

What they do to a connection is in test_toxics_on_the_wire.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from multidict import CIMultiDict

from pytest_sharedworker.errors import GatewayError, SharedWorkerError, ToxicError
from pytest_sharedworker.gateway import toxics
from pytest_sharedworker.gateway.exchange import Exchange
from pytest_sharedworker.gateway.patterns import Origin
from pytest_sharedworker.gateway.toxics import (
    AppliedToxic,
    AppliedToxics,
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
    Toxic,
)
from pytest_sharedworker.gateway.toxics.applied import plan_transfer

DROP = DropResponse()
ORIGIN = "http://127.0.0.1:1"
MODULES = Path(toxics.__file__).parent.glob("[!_]*.py")
NAMES = {module.stem for module in MODULES} - {"base", "applied"}
"""A toxic has the name of its file."""


def make_exchange(method: str = "POST", path: str = "/api/items") -> Exchange:
    return Exchange(
        number=1, method=method, url=ORIGIN + path, path=path, request_headers=CIMultiDict(),
        request_body=b"", sender="worker", worker_id=None, request_number=None, virtual_time=None,
        started_at=datetime.now(timezone.utc), started_seconds=0.0,
    )  # fmt: skip


def apply(
    toxic: Toxic = DROP, on_remove: Callable[[AppliedToxic], None] = lambda _: None, **options: Any
) -> AppliedToxic:
    return AppliedToxics(Origin(ORIGIN), on_remove).add(toxic, **options)


def count_hits(toxic: AppliedToxic, exchanges: int) -> list[bool]:
    return [toxic.take(make_exchange()) for _ in range(exchanges)]


# --- attributes -----------------------------------------------------------------------------------


def test_every_toxic_is_registered_by_the_name_of_its_file() -> None:
    assert set(Toxic.kinds) == NAMES
    assert Toxic.kinds["reset_peer"] is ResetPeer


@pytest.mark.parametrize(
    ("make", "attribute", "value"),
    [
        (lambda: Latency(-1), "latency", -1),
        (lambda: Latency("100"), "latency", "100"),  # type: ignore[arg-type]
        (lambda: Latency(1, jitter=float("nan")), "jitter", float("nan")),
        (lambda: Latency(float("inf")), "latency", float("inf")),
        (lambda: Latency(1, jitter=-0.5), "jitter", -0.5),
        (lambda: Timeout(None), "timeout", None),  # type: ignore[arg-type]
        (lambda: ResetPeer(-1), "timeout", -1),
        (lambda: Slicer(0), "average_size", 0),
        (lambda: Slicer(1.5), "average_size", 1.5),  # type: ignore[arg-type]
        (lambda: Slicer(1, delay=-1), "delay", -1),
        (lambda: Bandwidth(0), "rate", 0),
        (lambda: LimitData(True), "bytes", True),
        (lambda: LimitData(-1), "bytes", -1),
        (lambda: SlowClose(-1), "delay", -1),
        (lambda: HttpStatus(99), "status", 99),
        (lambda: HttpStatus(600), "status", 600),
        (lambda: HttpStatus("503"), "status", "503"),  # type: ignore[arg-type]
    ],
)
def test_wrong_attribute_is_refused_at_once(make: Callable[[], Toxic], attribute: str, value: object) -> None:
    with pytest.raises(ToxicError, match=re.escape(f"as {attribute}, not {value!r}")) as error:
        make()
    assert "needs a" in str(error.value)


def test_wrong_headers_and_bodies_of_a_status_are_refused() -> None:
    with pytest.raises(ToxicError, match="a mapping of text to text as headers, not"):
        HttpStatus(503, headers={"Retry-After": 5})  # type: ignore[dict-item]
    with pytest.raises(ToxicError, match="a mapping of text to text as headers, not"):
        HttpStatus(503, headers="Retry-After: 5")  # type: ignore[arg-type]
    with pytest.raises(ToxicError, match="text or bytes as body, not"):
        HttpStatus(503, body={"error": "busy"})  # type: ignore[arg-type]


def test_error_of_a_toxic_is_a_gateway_error_and_a_value_error() -> None:
    with pytest.raises(GatewayError) as error:
        Latency(-1)
    assert isinstance(error.value, ValueError)


def test_text_of_a_toxic_shows_what_differs_from_the_defaults() -> None:
    assert str(Latency(latency=5)) == str(apply(Latency(latency=5))) == "latency latency=5"
    assert str(Timeout()) == "timeout"
    assert str(HttpStatus(503)) == "http_status status=503"
    assert str(HttpStatus(429, headers={"A": "1"})) == "http_status status=429 headers={'A': '1'}"


# --- add_toxic ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("latencies", "did you mean Latency(...)?"),
        ("reset_peer", "did you mean ResetPeer(...)?"),
        ("status", "did you mean HttpStatus(...)?"),
        (Latency, "a toxic with its attributes, such as Latency(...), not its class"),
        (None, "not None"),
    ],
)
def test_value_that_is_no_toxic_is_refused(value: object, message: str) -> None:
    with pytest.raises(ToxicError, match="add_toxic takes") as error:
        apply(value)  # type: ignore[arg-type]
    assert message in str(error.value)


def test_text_that_is_near_to_no_toxic_gets_no_suggestion() -> None:
    with pytest.raises(ToxicError, match=r"add_toxic takes one of Bandwidth, Down, .*, not 'xyzzy'$"):
        apply("xyzzy")  # type: ignore[arg-type]


def test_stream_that_a_toxic_does_not_have_is_refused() -> None:
    with pytest.raises(ToxicError, match="'drop_response' works downstream only, not 'upstream'"):
        apply(stream="upstream")
    with pytest.raises(ToxicError, match="works downstream or upstream only, not 'sideways'"):
        apply(Latency(1), stream="sideways")


@pytest.mark.parametrize("toxicity", [-0.1, 1.1, float("nan"), "1", True])
def test_toxicity_outside_0_to_1_is_refused(toxicity: float) -> None:
    with pytest.raises(ToxicError, match="between 0 and 1"):
        apply(toxicity=toxicity)


@pytest.mark.parametrize("times", [0, -1, 1.5, True])
def test_times_below_1_are_refused(times: int) -> None:
    with pytest.raises(ToxicError, match=re.escape(f"1 or more, not {times!r}")):
        apply(times=times)


@pytest.mark.parametrize("options", [{"on": "/api/*"}, {"times": 1}, {"toxicity": 0.5}])
def test_down_takes_the_whole_origin(options: dict[str, Any]) -> None:
    with pytest.raises(ToxicError, match="'down' takes the whole origin"):
        apply(Down(), **options)


@pytest.mark.parametrize("on", ["", "*", "PSOT /api"])
def test_pattern_that_cannot_match_is_refused(on: str) -> None:
    with pytest.raises(SharedWorkerError, match="cannot match any request"):
        apply(on=on)


@pytest.mark.parametrize("toxic", [Latency(1), Timeout(), ResetPeer()])
def test_toxic_of_both_streams_can_be_applied_to_either(toxic: Toxic) -> None:
    assert apply(toxic, stream="downstream").stream == "downstream"
    assert apply(toxic, stream="upstream").stream == "upstream"
    assert apply(toxic).stream == toxic.streams[0]


# --- hits -----------------------------------------------------------------------------------------


def test_toxic_hits_its_pattern_only() -> None:
    posts = apply(on="POST /api/*")
    assert posts.take(make_exchange("POST", "/api/items"))
    assert not posts.take(make_exchange("GET", "/api/items"))
    assert not posts.take(make_exchange("POST", "/other"))
    assert posts.hits == 1


def test_pattern_can_be_a_regular_expression_or_a_callable() -> None:
    assert apply(on=re.compile(r"/api/\w+$")).take(make_exchange())
    assert apply(on=lambda url: url == f"{ORIGIN}/api/items").take(make_exchange())
    assert not apply(on=lambda url: False).take(make_exchange())


def test_times_limits_the_hits_and_misses_do_not_count() -> None:
    twice = apply(on="POST **", times=2)
    twice.take(make_exchange("GET"))
    assert count_hits(twice, 4) == [True, True, False, False]
    assert twice.hits == 2


def test_same_seed_hits_the_same_exchanges() -> None:
    first, second, other = (count_hits(apply(toxicity=0.5, seed=seed), 200) for seed in (1, 1, 2))
    assert first == second
    assert first != other


def test_toxicity_is_the_share_of_exchanges_that_are_hit() -> None:
    assert sum(count_hits(apply(toxicity=0.25, seed=7), 4_000)) == pytest.approx(1_000, abs=120)


def test_toxicity_0_hits_none_and_1_hits_all() -> None:
    assert not any(count_hits(apply(toxicity=0), 100))
    assert all(count_hits(apply(toxicity=1), 100))


def test_with_block_removes_a_toxic_also_after_an_exception() -> None:
    removed: list[AppliedToxic] = []
    with apply(on_remove=removed.append) as inside:
        assert removed == []
        assert inside.toxic == DropResponse()
    with pytest.raises(ZeroDivisionError), apply(on_remove=removed.append):
        _ = 1 / 0
    assert removed[0] is inside
    assert len(removed) == 2


def test_unused_toxics_are_those_that_should_have_hit() -> None:
    toxics = AppliedToxics(Origin(ORIGIN), lambda _: None)
    used, unused = toxics.add(Latency(1), on="POST **"), toxics.add(Latency(2), on="GET **")
    toxics.add(Latency(3), on="GET **", optional=True)
    toxics.add(Down())
    with toxics.add(Latency(4), on="GET /removed") as removed:
        assert toxics.take(make_exchange()) == [used]
    assert toxics.unused == [unused, removed]


# --- the plan of a transfer -----------------------------------------------------------------------


def test_shapes_of_several_toxics_add_up() -> None:
    toxics: list[Toxic] = [
        LimitData(100), LimitData(50), Slicer(20, delay=5), Slicer(10, delay=1), Bandwidth(4), Bandwidth(2),
        SlowClose(3), SlowClose(4), Latency(9),
    ]  # fmt: skip
    transfer = plan_transfer([apply(toxic) for toxic in toxics])
    assert (transfer.limit, transfer.piece_size, transfer.piece_delay) == (50, 10, 6)
    assert (transfer.byte_delay, transfer.close_delay) == (1000 / 2048, 7)
    assert [len(piece) for piece, _ in transfer.split(bytes(25))] == [10, 10, 5]
    assert [delay for _, delay in transfer.split(bytes(10))] == [6 + 10 * 1000 / 2048]
