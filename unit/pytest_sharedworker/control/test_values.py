"""Values between Python and JavaScript as JSON, without a browser; e2e/plugin sends them through one."""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlparse

import pytest

from pytest_sharedworker.control.values import parse_value, serialize_argument
from pytest_sharedworker.errors import EvaluationError

DATE = datetime(2030, 1, 2, 3, 4, 5, 678_000, timezone.utc)
DATE_MS = 1_893_553_445_678


def array(number: int, *items: object) -> dict[str, object]:
    return {"type": "array", "id": number, "items": list(items)}


def obj(number: int, **properties: object) -> dict[str, object]:
    return {"type": "object", "id": number, "entries": [list(entry) for entry in properties.items()]}


@pytest.mark.parametrize("value", [None, True, False, 0, 1.5, "", "text", 2**53 - 1])
def test_json_scalars_stand_for_themselves(value: object) -> None:
    assert serialize_argument(value) == value
    assert parse_value(value) == value


@pytest.mark.parametrize(
    ("wire", "value"),
    [
        ({"type": "undefined"}, None),
        ({"type": "number", "value": "Infinity"}, math.inf),
        ({"type": "number", "value": "-Infinity"}, -math.inf),
        ({"type": "bigint", "value": "123456789012345678901234567890"}, 123456789012345678901234567890),
        ({"type": "date", "ms": DATE_MS}, DATE),
        ({"type": "date", "ms": -1}, datetime(1969, 12, 31, 23, 59, 59, 999_000, timezone.utc)),
        ({"type": "date", "ms": None}, None),
        ({"type": "bytes", "items": [0, 255]}, b"\x00\xff"),
        ({"type": "url", "value": "http://a/b?c#d"}, urlparse("http://a/b?c#d")),
        (array(1, 1, array(2), obj(3, a=None)), [1, [], {"a": None}]),
        (obj(1, type="array"), {"type": "array"}),
        ({"type": "map", "id": 1, "entries": [["a", 1], [2, {"type": "undefined"}]]}, {"a": 1, 2: None}),
        ({"type": "map", "id": 1, "entries": [[array(2, 1), "x"]]}, [[[1], "x"]]),
    ],
)
def test_parse_value(wire: Any, value: object) -> None:
    assert parse_value(wire) == value


def test_parse_value_returns_not_a_number_and_negative_zero() -> None:
    assert math.isnan(parse_value({"type": "number", "value": "NaN"}))
    assert math.copysign(1, parse_value({"type": "number", "value": "-0"})) == -1


def test_parse_value_returns_dates_in_utc() -> None:
    assert parse_value({"type": "date", "ms": 0}).utcoffset() == timedelta(0)


def test_parse_value_returns_errors_unraised() -> None:
    error = parse_value({"type": "error", "message": "TypeError: no", "stack": "at f"})
    assert isinstance(error, EvaluationError)
    assert (error.message, error.stack) == ("TypeError: no", "at f")


def test_parse_value_keeps_cycles_and_identity() -> None:
    shared = array(2, 1)
    value = parse_value(
        obj(1, shared=shared, again={"type": "reference", "id": 2}, me={"type": "reference", "id": 1})
    )
    assert value["shared"] == [1]
    assert value["again"] is value["shared"]
    assert value["me"] is value


def test_parse_value_keeps_cycles_through_maps() -> None:
    of_dict = parse_value({"type": "map", "id": 1, "entries": [["me", {"type": "reference", "id": 1}]]})
    assert of_dict["me"] is of_dict
    of_list = parse_value({"type": "map", "id": 1, "entries": [[array(2), {"type": "reference", "id": 1}]]})
    assert of_list[0][1] is of_list


@pytest.mark.parametrize(
    ("value", "wire"),
    [
        (math.inf, {"type": "number", "value": "Infinity"}),
        (-math.inf, {"type": "number", "value": "-Infinity"}),
        (math.nan, {"type": "number", "value": "NaN"}),
        (-0.0, {"type": "number", "value": "-0"}),
        (2**53, {"type": "bigint", "value": "9007199254740992"}),
        (-(2**53), {"type": "bigint", "value": "-9007199254740992"}),
        (DATE, {"type": "date", "ms": DATE_MS}),
        (DATE.astimezone(timezone(timedelta(hours=5))), {"type": "date", "ms": DATE_MS}),
        (urlparse("http://a/b?c"), {"type": "url", "value": "http://a/b?c"}),
        (ValueError("no"), {"type": "error", "name": "ValueError", "message": "no"}),
        ((1, [2]), array(1, 1, array(2, 2))),
        ({"a": {"b": None}}, obj(1, a=obj(2, b=None))),
    ],
)
def test_serialize_argument(value: object, wire: object) -> None:
    assert serialize_argument(value) == wire
    json.dumps(serialize_argument(value), allow_nan=False)


def test_serialize_argument_keeps_cycles_and_identity() -> None:
    shared = [1]
    value: dict[str, object] = {"shared": shared, "again": shared}
    value["me"] = value
    assert serialize_argument(value) == obj(
        1, shared=array(2, 1), again={"type": "reference", "id": 2}, me={"type": "reference", "id": 1}
    )


@pytest.mark.parametrize("value", [object(), {1, 2}, [timedelta(1)], lambda: None])
def test_serialize_argument_rejects_what_javascript_lacks(value: object) -> None:
    with pytest.raises(TypeError, match=r"cannot pass .* to JavaScript"):
        serialize_argument(value)


def test_serialize_argument_rejects_keys_that_are_not_strings() -> None:
    with pytest.raises(TypeError, match="with the key 1 to JavaScript: keys must be strings"):
        serialize_argument({1: "a"})


def test_arguments_survive_the_way_back() -> None:
    value = {"list": [1, 2.5, None, True], "date": DATE, "big": 2**70, "nested": {"a": {}}}
    assert parse_value(json.loads(json.dumps(serialize_argument(value)))) == value
