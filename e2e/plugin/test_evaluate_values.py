"""Values beyond JSON that `evaluate` passes between Python and a worker, and the code it accepts.

unit/pytest_sharedworker/control/test_values.py tests the conversion itself.
"""

from __future__ import annotations

import math
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlparse

import pytest

from e2e.plugin.app import App
from pytest_sharedworker import EvaluationError, SharedWorker

DATE = datetime(2030, 1, 2, 3, 4, 5, 678_000, timezone.utc)


VALUES: list[tuple[str, object]] = [
    ("[undefined, null, () => 1, Symbol('a')]", [None] * 4),
    ("[Infinity, -Infinity, 1e300]", [math.inf, -math.inf, 1e300]),
    ("[2n ** 70n, -1n]", [2**70, -1]),
    ("new Date(Date.UTC(2030, 0, 2, 3, 4, 5, 678))", DATE),
    ("new Date(NaN)", None),
    ("/a+\\/b/gi", "/a+\\/b/gi"),
    ("new URL('http://a/b?c#d')", urlparse("http://a/b?c#d")),
    ("new Map([['a', { b: 1 }], [2, undefined]])", {"a": {"b": 1}, 2: None}),
    ("new Map([[[1], 2]])", [[[1], 2]]),
    ("new Set([1, 'a'])", [1, "a"]),
    (
        "[new Uint8Array([1, 255]), new Float64Array([0.5]), new BigInt64Array([-5n])]",
        [[1, 255], [0.5], [-5]],
    ),
    ("new Uint8Array([1, 255]).buffer", b"\x01\xff"),
    ("({ a: undefined, get b() { throw new Error('no'); }, [Symbol('c')]: 1 })", {"a": None}),
    ("({ toJSON: () => ({ a: new Date(0) }) })", {"a": datetime(1970, 1, 1, tzinfo=timezone.utc)}),
    ("self", "ref: <SharedWorkerGlobalScope>"),
    ("'\\ud800 ü \\u2028'", "\ud800 ü \u2028"),
]


def test_values_return_as_python_values(worker: SharedWorker) -> None:
    values = {expression: worker.evaluate(expression) for expression, _ in VALUES}
    assert values == dict(VALUES)


def test_nan_and_negative_zero_return(worker: SharedWorker) -> None:
    nan, zero = worker.evaluate("[NaN, -0]")
    assert math.isnan(nan)
    assert math.copysign(1, zero) == -1


def test_error_objects_return_as_values(worker: SharedWorker) -> None:
    error, other = worker.evaluate("[new TypeError('no'), new DOMException('gone', 'AbortError')]")
    assert isinstance(error, EvaluationError)
    assert error.message == "TypeError: no"
    assert other.message == "AbortError: gone"


def test_cycles_and_identity_are_kept(worker: SharedWorker) -> None:
    value = worker.evaluate(
        "() => { const shared = [1]; const it = { a: shared, b: shared }; it.me = it; return it; }"
    )
    assert value["a"] is value["b"]
    assert value["me"] is value
    assert worker.evaluate("(it) => it.a === it.b && it.me === it", value) is True


ARGUMENTS: list[tuple[Any, str]] = [
    (None, "null"),
    (math.inf, "number Infinity"),
    (math.nan, "number NaN"),
    (2**53 - 1, "number 9007199254740991"),
    (2**53, "bigint 9007199254740992"),
    (True, "boolean true"),
    (DATE, "Date 2030-01-02T03:04:05.678Z"),
    (urlparse("http://a/b"), "URL http://a/b"),
    (ValueError("no"), "ValueError: no"),
    ((1, [2]), "[1,[2]]"),
    ({"__proto__": 1, "a": None}, '{"__proto__":1,"a":null}'),
]


def test_arguments_arrive_as_javascript_values(worker: SharedWorker) -> None:
    render = """(value) => {
        if (value === null) return "null";
        if (typeof value !== "object") return `${typeof value} ${value}`;
        if (value instanceof Date) return `Date ${value.toISOString()}`;
        if (value instanceof URL) return `URL ${value.href}`;
        return value instanceof Error ? String(value) : JSON.stringify(value);
    }"""
    arrived = [worker.evaluate(render, argument) for argument, _ in ARGUMENTS]
    assert arrived == [text for _, text in ARGUMENTS]


CODE: list[tuple[str, object]] = [
    ("const a = 1; a + 1", 2),
    ("let total = 0;\nfor (const each of [1, 2]) total += each;\ntotal;", 3),
    ("if (true) { 'yes'; } else { 'no'; }", "yes"),
    ("function double(x) { return x * 2; }", 14),
    ("async function later(x) { return x; }", 7),
    ("const twice = (x) => x * 2; twice", 14),
    ("Promise.resolve({ then: (resolve) => resolve('thenable') })", "thenable"),
    ("(x) => x // the argument", 7),
]


def test_expressions_functions_and_statements_are_evaluated(worker: SharedWorker) -> None:
    values = {expression: worker.evaluate(expression, 7) for expression, _ in CODE}
    assert values == dict(CODE)


def test_expression_that_throws_a_syntax_error_runs_once(worker: SharedWorker) -> None:
    worker.evaluate("self.runs = 0")
    with pytest.raises(EvaluationError, match="SyntaxError"):
        worker.evaluate("() => { runs += 1; JSON.parse('{'); }")
    assert worker.evaluate("runs") == 1


@pytest.mark.worker_clock("real")
def test_values_return_on_the_real_clock(app: App) -> None:
    assert app.start().evaluate("(x) => [x, new Date(0)]", 2**60) == [
        2**60,
        datetime(1970, 1, 1, tzinfo=timezone.utc),
    ]


@pytest.mark.only_browser("chromium")
@pytest.mark.parametrize("expression", ["1 + 1", "const one = 1; one + one", "() => 2"])
def test_policy_against_eval_does_not_stop_devtools(app: App, expression: str) -> None:
    served = {"Content-Type": "text/javascript", "Content-Security-Policy": "script-src 'self'"}
    app.gateway.route("/worker.js", lambda route: route.fulfill(headers=served, body="self.ready = 1;"))
    app.connect(app.open())
    assert app.workers.wait_for().evaluate(expression) == 2
