"""Evaluate JavaScript in a worker: arguments, promises, the worker's scope, and exceptions."""

from __future__ import annotations

import pytest

from e2e.plugin.app import App
from pytest_sharedworker import EvaluationError

EXPRESSIONS: list[tuple[str, list[object], object]] = [
    ("1 + 1", [], 2),
    ("([a, b]) => a + b", [[1, 2]], 3),
    ("async (a) => ({ a })", [{"deep": [None, True, "ü"]}], {"a": {"deep": [None, True, "ü"]}}),
    ("Promise.resolve('later')", [], "later"),
    ("undefined", [], None),
    ("() => {}", [], None),
    ("42 // a comment", [], 42),
    ("{ a: 1 }", [], {"a": 1}),
]


def test_evaluate_returns_the_value(app: App) -> None:
    worker = app.start()
    values = {expression: worker.evaluate(expression, *args) for expression, args, _ in EXPRESSIONS}
    assert values == {expression: value for expression, _, value in EXPRESSIONS}


def test_evaluate_reads_declarations_of_the_script(app: App) -> None:
    worker = app.start("const queue = [1, 2]; let next = 3; function size() { return queue.length; }")
    assert worker.evaluate("x => queue.length + next + size() + x", 1) == 8


@pytest.mark.parametrize("head", ["", "import { step } from '/step.js';"], ids=["alone", "with an import"])
def test_evaluate_reads_and_changes_what_a_module_declares(app: App, head: str) -> None:
    app.gateway.serve("/step.js", "export const step = 1;")
    script = "const queue = [1, 2]; let text = 'a'; const scope = 'own'; export class Batch {}"
    worker = app.start(f"{head} {script}", type="module")
    assert worker.evaluate("x => queue.length + x", 1) == 3
    assert worker.evaluate("scope + Batch.name") == "ownBatch"
    worker.evaluate("text += 'b'")
    seen = worker.evaluate("[text, typeof step, 'queue' in self]")
    assert seen == ["ab", "number" if head else "undefined", False]


EXCEPTIONS = [
    ("() => { throw new TypeError('no such thing'); }", "TypeError: no such thing"),
    ("async () => { throw new RangeError('later'); }", "RangeError: later"),
    ("() => { throw 'text'; }", "text"),
    ("no_such_name", "ReferenceError"),
    ("(", "SyntaxError"),
]


def test_javascript_exception_is_an_evaluation_error(app: App) -> None:
    worker = app.start()
    for expression, message in EXCEPTIONS:
        with pytest.raises(EvaluationError, match=f"^{message}") as error:
            worker.evaluate(expression)
        assert error.value.message.startswith(message)


def test_evaluation_error_has_the_stack(app: App) -> None:
    worker = app.start("function inner() { throw new Error('deep'); }\nfunction outer() { inner(); }")
    with pytest.raises(EvaluationError) as error:
        worker.evaluate("() => outer()")
    assert error.value.stack.index("inner") < error.value.stack.index("outer")
    assert str(error.value).count("Error: deep") == 1
