"""Toxics by themselves: what can be asked for, what wrong requests are told, which exchanges are hit.

What they do to a connection stands in test_gateway_toxics.py.
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any

import pytest
from multidict import CIMultiDict

from pytest_sharedworker.errors import GatewayError, SharedWorkerError, ToxicError
from pytest_sharedworker.gateway.exchange import Exchange
from pytest_sharedworker.gateway.toxics import KINDS, REQUIRED, Toxic, make_toxic


def exchange(method: str = "POST", path: str = "/api/items") -> Exchange:
    return Exchange(
        number=1, method=method, url=f"http://127.0.0.1:1{path}", path=path, request_headers=CIMultiDict(),
        request_body=b"", sender="worker", worker_id=None, request_number=None, virtual_seconds=None,
        started_at=datetime.now(timezone.utc), started_seconds=0.0,
    )  # fmt: skip


def toxic(name: str = "drop_response", **options: Any) -> Toxic:
    return make_toxic(name, **{"on": "*", "on_remove": lambda _: None, **options})


def hits(toxic: Toxic, exchanges: int) -> list[bool]:
    return [toxic.take(exchange()) for _ in range(exchanges)]


def test_an_unknown_name_is_told_all_names_and_the_nearest() -> None:
    with pytest.raises(ToxicError, match=r"no toxic 'reset_per'; did you mean 'reset_peer'\?") as error:
        toxic("reset_per")
    assert all(name in str(error.value) for name in KINDS)


def test_a_name_that_is_near_to_none_gets_no_guess() -> None:
    with pytest.raises(ToxicError, match="no toxic 'xyzzy'; There are: latency"):
        toxic("xyzzy")


def test_an_unknown_attribute_is_told_those_there_are() -> None:
    with pytest.raises(ToxicError, match="'latency' has no attribute delay; it has: latency_ms, jitter_ms"):
        toxic("latency", latency_ms=1, delay=1)


def test_a_toxic_without_attributes_says_so() -> None:
    with pytest.raises(ToxicError, match="'drop_response' has no attribute delay_ms; it has: none"):
        toxic("drop_response", delay_ms=1)


@pytest.mark.parametrize(
    "name", [name for name, kind in KINDS.items() if REQUIRED in kind.attributes.values()]
)
def test_a_missing_attribute_is_named(name: str) -> None:
    missing = [key for key, value in KINDS[name].attributes.items() if value is REQUIRED]
    with pytest.raises(ToxicError, match=f"{name!r} needs {', '.join(missing)}"):
        toxic(name)


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("latency", {"latency_ms": -1}),
        ("latency", {"latency_ms": "100"}),
        ("latency", {"latency_ms": 1, "jitter_ms": float("nan")}),
        ("timeout", {"timeout_ms": None}),
        ("slicer", {"average_size": 0}),
        ("bandwidth", {"rate_kib_per_second": 0}),
        ("limit_data", {"bytes": True}),
        ("status", {"status": 99}),
    ],
)
def test_an_attribute_of_the_wrong_kind_is_refused_at_once(name: str, attributes: dict[str, Any]) -> None:
    key, value = list(attributes.items())[-1]
    with pytest.raises(ToxicError, match=re.escape(f"as {key}, not {value!r}")):
        toxic(name, **attributes)


def test_a_stream_that_the_toxic_does_not_have_is_refused() -> None:
    with pytest.raises(ToxicError, match="'drop_response' works downstream only, not 'upstream'"):
        toxic("drop_response", stream="upstream")
    with pytest.raises(ToxicError, match="works downstream only, not 'sideways'"):
        toxic("latency", latency_ms=1, stream="sideways")


@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan")])
def test_a_probability_outside_0_to_1_is_refused(probability: float) -> None:
    with pytest.raises(ToxicError, match="between 0 and 1"):
        toxic(probability=probability)


def test_times_below_1_are_refused() -> None:
    with pytest.raises(ToxicError, match="1 or more, not 0"):
        toxic(times=0)


def test_down_takes_no_pattern_because_it_takes_the_whole_origin() -> None:
    with pytest.raises(ToxicError, match="'down' takes the whole origin"):
        toxic("down", on="/api/*")


def test_an_empty_pattern_is_refused() -> None:
    with pytest.raises(SharedWorkerError, match="is no pattern"):
        toxic(on="")


def test_errors_are_of_the_plugins_tree_and_value_errors_too() -> None:
    with pytest.raises(GatewayError) as error:
        toxic("nonsense")
    assert isinstance(error.value, ValueError)


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.both_streams])
def test_a_toxic_of_both_streams_can_be_put_on_either(name: str) -> None:
    needed = {"latency_ms": 1} if name == "latency" else {}
    assert toxic(name, stream="downstream", **needed).stream == "downstream"
    assert toxic(name, stream="upstream", **needed).stream == "upstream"
    assert toxic(name, **needed).stream == KINDS[name].stream


def test_it_hits_its_pattern_alone() -> None:
    posts = toxic(on="POST /api/*")
    assert posts.take(exchange("POST", "/api/items"))
    assert not posts.take(exchange("GET", "/api/items"))
    assert not posts.take(exchange("POST", "/other"))
    assert posts.applied == 1


def test_times_limits_how_many_are_hit_and_misses_do_not_count() -> None:
    twice = toxic(on="POST *", times=2)
    twice.take(exchange("GET"))
    assert hits(twice, 4) == [True, True, False, False]
    assert twice.applied == 2


def test_the_same_seed_hits_the_same_exchanges() -> None:
    first, second, other = (hits(toxic(probability=0.5, seed=seed), 200) for seed in (1, 1, 2))
    assert first == second
    assert first != other


def test_probability_is_the_share_that_is_hit() -> None:
    assert sum(hits(toxic(probability=0.25, seed=7), 4_000)) == pytest.approx(1_000, abs=120)


def test_probability_0_hits_none_and_1_hits_all() -> None:
    assert not any(hits(toxic(probability=0), 100))
    assert all(hits(toxic(probability=1), 100))


def test_the_end_of_a_with_block_removes_it_also_after_an_exception() -> None:
    removed: list[Toxic] = []
    with toxic(on_remove=removed.append) as inside:
        assert removed == []
    with pytest.raises(ZeroDivisionError), toxic(on_remove=removed.append):
        _ = 1 / 0
    assert removed[0] is inside
    assert len(removed) == 2


def test_its_text_shows_what_differs_from_the_defaults() -> None:
    assert str(toxic("latency", latency_ms=5)) == "latency latency_ms=5"
    assert str(toxic("timeout")) == "timeout"
