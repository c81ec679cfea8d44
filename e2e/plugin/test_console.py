"""Console messages and errors of a worker, from its first line on."""

from __future__ import annotations

import pytest

from e2e.plugin.app import ECHO, App, read_console, wait_for_console
from pytest_sharedworker import Clock, ConsoleMessage, WaitTimeoutError


def test_expect_console_message_waits_for_the_message(app: App) -> None:
    worker = app.start("fetch('/slow').then(() => console.warn('ready at', 7)); " + ECHO)
    assert wait_for_console(worker, "ready").text == "ready at 7"
    with worker.expect_console_message(lambda message: message.text == "again") as info:
        worker.evaluate("() => { setTimeout(() => { console.log('other'); console.info('again'); }, 1000); }")
        worker.clock.run_for(1_000)
    assert info.value.type == "info"


def test_expect_console_message_ignores_earlier_messages(app: App) -> None:
    worker = app.start("console.log('early'); " + ECHO)
    worker.clock.settle()
    with pytest.raises(WaitTimeoutError), worker.expect_console_message(timeout=300):
        pass


def test_event_handlers_receive_console_errors_and_close(app: App) -> None:
    worker = app.start("console.log('early'); " + ECHO)
    worker.clock.settle()
    seen: list[str] = []
    worker.on("console", lambda message: seen.append(f"console {message.text}"))
    worker.on("error", lambda error: seen.append(f"error {error.message}"))
    worker.on("close", lambda closed: seen.append(f"close {closed is worker}"))
    worker.evaluate("() => { setTimeout(() => { console.log('one'); throw new Error('two'); }, 1000); }")
    worker.clock.run_for(1_000)
    worker.terminate()
    assert seen == ["console one", "error Error: two", "close True"]


def test_removed_event_handler_is_not_called(app: App) -> None:
    worker = app.start(ECHO)
    seen: list[str] = []

    def handler(message: ConsoleMessage) -> None:
        seen.append(message.text)

    worker.on("console", handler)
    worker.remove_listener("console", handler)
    worker.evaluate("console.log('x')")
    worker.clock.settle()
    assert seen == []


def test_error_for_missing_message_lists_the_messages(app: App) -> None:
    worker = app.start("console.log('begun'); " + ECHO)
    with pytest.raises(WaitTimeoutError, match=r"(?s)waited 500 ms .*; it wrote:\n  log: begun"):
        with worker.expect_console_message(lambda message: message.text == "ended", timeout=500):
            pass


def test_console_messages_start_with_the_first_line(app: App) -> None:
    worker = app.start(
        """
        console.log("first", 1, { a: [1] }, undefined, null);
        console.warn("careful"); console.error(new Error("wrong").message); console.debug("detail");
    """
        + ECHO
    )
    worker.clock.settle()
    assert read_console(worker) == [
        'log: first 1 {"a":[1]} undefined null',
        "warning: careful",
        "error: wrong",
        "debug: detail",
    ]


def test_worker_that_throws_at_start_keeps_messages_and_error(app: App) -> None:
    app.gateway.serve("/worker.js", 'console.log("begun");\n\nthrow new Error("cannot go on");')
    app.connect(app.open())
    worker = app.workers.wait_for()
    worker.evaluate("1")
    assert read_console(worker) == ["log: begun"]
    assert [error.message for error in worker.errors()] == ["Error: cannot go on"]


@pytest.mark.parametrize("kind", ["classic", "module"])
@pytest.mark.parametrize("prefix", ["", 'import "./imported.js";'], ids=["plain", "imports"])
def test_line_numbers_are_those_of_the_script(app: App, kind: str, prefix: str) -> None:
    if kind == "classic" and prefix:
        pytest.skip("a classic script has no imports")
    app.gateway.serve("/imported.js", "1;")
    worker = app.start(
        f"{prefix}\n\nsetTimeout(() => {{ throw new Error('on line 3'); }}, 1000);\n{ECHO}", type=kind
    )
    worker.clock.run_for(1_000)
    [error] = worker.errors()
    assert "/worker.js:3:" in error.stack


def test_unhandled_rejection_is_an_error(app: App) -> None:
    worker = app.start(ECHO)
    worker.evaluate("() => { setTimeout(() => { Promise.reject(new Error('unhandled')); }, 10); }")
    worker.evaluate("() => { setTimeout(() => { Promise.reject(Symbol('odd')); }, 20); }")
    worker.clock.run_for(1_000)
    worker.clock.settle()
    messages = [error.message for error in worker.errors()]
    assert messages == ["Unhandled rejection: Error: unhandled", "Unhandled rejection: Symbol(odd)"]


def test_other_console_methods_have_their_own_level(app: App) -> None:
    worker = app.start(
        """
        console.assert(true, "unseen"); console.assert(1 > 2, "wrong", 7);
        console.count("turn"); console.count("turn"); console.countReset("turn"); console.count("turn");
        console.group("outer"); console.dir({ a: 1 }); console.table([1]); console.groupEnd();
        console.groupCollapsed("inner"); console.trace("here");
    """
        + ECHO
    )
    worker.clock.settle()
    assert read_console(worker) == [
        "assert: wrong 7",
        "count: turn: 1",
        "count: turn: 2",
        "count: turn: 1",
        "startGroup: outer",
        'dir: {"a":1}',
        "table: [1]",
        "endGroup: ",
        "startGroupCollapsed: inner",
        "trace: here",
    ]


def test_console_time_measures_the_workers_time(app: App, worker_clock: Clock) -> None:
    worker = app.start(
        """
        console.time(); console.time("poll"); console.timeEnd("unknown");
        setTimeout(() => { console.timeLog("poll", "half"); console.timeEnd(); }, 500);
        setTimeout(() => { console.timeEnd("poll"); console.timeEnd("poll"); console.clear(); }, 1_000);
    """
        + ECHO
    )
    worker_clock.run_for(1_000)
    assert read_console(worker) == [
        "log: poll: 500 ms half",
        "timeEnd: default: 500 ms",
        "timeEnd: poll: 1000 ms",
        "clear: console.clear",
    ]


LOGGED = [
    ("NaN, new Map([[1, 2]]), [undefined]", "NaN Map(1) {1 => 2} [undefined]"),
    ("-0, [-0], [-Infinity], 10n, [10n]", "-0 [-0] [-Infinity] 10n [10n]"),
    ("{ a: undefined, b: NaN, c: () => 1 }", '{"a":undefined,"b":NaN,"c":[Function: c]}'),
    ("new Set(['x', { y: 1 }]), [, 1]", 'Set(2) {"x",{"y":1}} [empty,1]'),
    ("new Uint8Array([1, 2]), new ArrayBuffer(3)", "Uint8Array(2) [1,2] ArrayBuffer(3)"),
    ("[Symbol('s')], [/a+/g], [new RangeError('far')]", "[Symbol(s)] [/a+/g] [RangeError: far]"),
    ("new Date(0), [new Date(NaN)]", "1970-01-01T00:00:00.000Z [Invalid Date]"),
    ("new (class Point { x = 1 })(), Object.create(null)", 'Point {"x":1} {}'),
    ("(() => { const a = { b: 1 }; a.self = a; return a; })()", '{"b":1,"self":[Circular]}'),
    ("(() => { const a = {}; return [a, a]; })()", "[{},{}]"),
]


def test_console_shows_values_that_json_cannot(app: App) -> None:
    worker = app.start("".join(f"console.log({expression});\n" for expression, _ in LOGGED) + ECHO)
    worker.clock.settle()
    assert [message.text for message in worker.console_messages()] == [text for _, text in LOGGED]


def test_console_calls_no_method_of_a_logged_object(app: App) -> None:
    worker = app.start(
        """
        self.reads = 0;
        console.log({ get a() { return 1; }, toJSON() { reads++; } });
    """
        + ECHO
    )
    assert wait_for_console(worker, "Getter").text == '{"a":[Getter],"toJSON":[Function: toJSON]}'
    assert worker.evaluate("reads") == 0


def test_console_shortens_what_is_very_large(app: App) -> None:
    worker = app.start("console.log(Array(1e6).fill(7), 'end'); " + ECHO)
    text = wait_for_console(worker, "end").text
    assert text.endswith(",7,…] end")
    assert len(text) < 25_000


@pytest.mark.parametrize("kind", ["classic", "module"])
@pytest.mark.parametrize("prefix", ["", 'import "./imported.js";'], ids=["plain", "imports"])
def test_column_of_a_minified_script_is_that_of_the_script(
    app: App, worker_clock: Clock, kind: str, prefix: str, browser_name: str
) -> None:
    if kind == "classic" and prefix:
        pytest.skip("a classic script has no imports")
    app.gateway.serve("/imported.js", "1;")
    fail = "const fail=()=>{throw new Error('far')};"
    script = f"{prefix}onconnect=()=>{{}};{fail}setTimeout(fail,1e3);console.log('up');"
    worker = app.start(script, type=kind)
    worker_clock.run_for(1_000)
    (error,) = worker.errors()
    position = script.index("new Error") + 1 + (len("new Error") if browser_name == "webkit" else 0)
    assert f"/worker.js:1:{position}" in error.stack  # WebKit's column is that of the parenthesis.
    frames = [line for line in error.stack.splitlines() if ".js:" in line]
    assert len(frames) == 1
