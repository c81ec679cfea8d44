"""What a worker writes to the console and throws, from its first line on."""

from __future__ import annotations

import re

import pytest

from e2e.plugin.app import ECHO, App, console_texts
from pytest_sharedworker.errors import WaitTimeoutError


def test_a_console_line_is_waited_for(app: App) -> None:
    worker = app.start("onconnect = () => fetch('/slow').then(() => console.warn('ready at', 7));")
    assert worker.expect_console("ready").level == "warn"
    assert worker.expect_console(re.compile(r"at \d$")).text == "ready at 7"


def test_a_console_line_that_does_not_come_shows_those_that_did(app: App) -> None:
    worker = app.start("console.log('begun'); " + ECHO)
    with pytest.raises(WaitTimeoutError, match=r"(?s)to write 'ended'; it wrote:\n  log: begun"):
        worker.expect_console("ended", timeout_seconds=0.5)


def test_the_console_is_kept_from_the_first_line_on(app: App) -> None:
    worker = app.start(
        """
        console.log("first", 1, { a: [1] }, undefined, null);
        console.warn("careful"); console.error(new Error("wrong").message); console.debug("detail");
    """
        + ECHO
    )
    worker.clock.settle()
    assert console_texts(worker) == [
        'log: first 1 {"a":[1]} undefined null',
        "warn: careful",
        "error: wrong",
        "debug: detail",
    ]


def test_a_worker_that_dies_at_start_is_found_with_its_words_and_its_error(app: App) -> None:
    app.gateway.mount("/worker.js", 'console.log("begun");\n\nthrow new Error("cannot go on");')
    app.connect(app.open())
    worker = app.workers.wait_for()
    worker.evaluate("1")
    assert console_texts(worker) == ["log: begun"]
    assert [error.message for error in worker.errors] == ["Error: cannot go on"]


@pytest.mark.parametrize("kind", ["classic", "module"])
@pytest.mark.parametrize("prefix", ["", 'import "./imported.js";'], ids=["plain", "imports"])
def test_line_numbers_stay_the_scripts_own(app: App, kind: str, prefix: str) -> None:
    if kind == "classic" and prefix:
        pytest.skip("a classic script has no imports")
    app.gateway.mount("/imported.js", "1;")
    worker = app.start(
        f"{prefix}\n\nsetTimeout(() => {{ throw new Error('on line 3'); }}, 1000);\n{ECHO}", type=kind
    )
    worker.clock.advance(1)
    [error] = worker.errors
    assert "/worker.js:3:" in error.stack


def test_an_unhandled_rejection_is_an_error_too(app: App) -> None:
    worker = app.start(ECHO)
    worker.evaluate("() => { setTimeout(() => { Promise.reject(new Error('nobody cares')); }, 10); }")
    worker.evaluate("() => { setTimeout(() => { Promise.reject(Symbol('odd')); }, 20); }")
    worker.clock.advance(1)
    worker.clock.settle()
    messages = [error.message for error in worker.errors]
    assert messages == ["Unhandled rejection: Error: nobody cares", "Unhandled rejection: Symbol(odd)"]
