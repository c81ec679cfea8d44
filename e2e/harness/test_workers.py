"""Finding workers, looking into them, their console and errors, their ends, and what runs before them.

Clocks stand in test_clock.py, workers that cannot start in test_bad_input.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext

from e2e.harness.stage import ECHO, Stage
from pytest_sharedworker.exceptions import AmbiguousWorker, EvaluationError, WaitTimeout, WorkerGone
from pytest_sharedworker.shared_worker import SharedWorker

NewContext = Callable[[], BrowserContext]


# --- finding --------------------------------------------------------------------------------------


def test_a_worker_is_found_by_glob_and_knows_its_url_and_name(stage: Stage) -> None:
    worker = stage.start(path="/static/echo.4f2a.worker.js", name="echo")
    assert stage.workers.wait_for("**/echo.*.worker.js") is worker
    assert (worker.name, worker.url) == ("echo", stage.gateway.url + "/static/echo.4f2a.worker.js")


def test_a_worker_without_a_name_can_be_looked_into(stage: Stage) -> None:
    worker = stage.start()
    assert worker.name == ""
    assert worker.evaluate("self.name") == ""


def test_two_tabs_share_a_worker_and_two_names_make_two(stage: Stage) -> None:
    first = stage.start(name="one")
    stage.connect(stage.open(), name="one")
    second = stage.start(name="two")
    stage.workers.deliver()
    assert stage.workers.all == [first, second]
    assert stage.workers.wait_for(name="two") is second


def test_a_description_of_two_workers_is_ambiguous(stage: Stage) -> None:
    stage.start(name="one")
    stage.start(name="two")
    with pytest.raises(AmbiguousWorker, match=r"2 workers answer .*'one'.*'two'.*narrower glob or a name"):
        stage.workers.wait_for("**/worker.js")


def test_equal_workers_of_two_contexts_are_told_apart(stage: Stage, new_context: NewContext) -> None:
    mine = stage.start(name="same")
    context = new_context()
    stage.workers.watch(context)
    stage.connect(stage.open(context), name="same")
    stage.workers.deliver()
    [theirs] = [worker for worker in stage.workers.all if worker is not mine]
    for worker, value in ((theirs, "theirs"), (mine, "mine")):
        worker.evaluate("(value) => { self.whose = value; }", value)
    assert (mine.evaluate("whose"), theirs.evaluate("whose")) == ("mine", "theirs")
    theirs.terminate()
    assert stage.workers.all == [mine]
    assert mine.evaluate("whose") == "mine"


def test_a_worker_that_is_started_from_a_frame_is_found(stage: Stage) -> None:
    stage.gateway.mount("/worker.js", ECHO)
    stage.gateway.mount("/frame.html", "<script>new SharedWorker('/worker.js').port.postMessage(1)</script>")
    stage.open().evaluate("() => { document.body.innerHTML = '<iframe src=/frame.html></iframe>'; }")
    worker = stage.workers.wait_for()
    worker.clock.advance(1)
    assert worker.evaluate("log.length") == 1


def test_a_page_without_workers_holds_nothing_up(stage: Stage) -> None:
    worker = stage.start()
    stage.open()
    blank = stage.context.new_page()
    worker.clock.advance(1)
    blank.close()
    worker.clock.advance(1)
    assert worker.clock.now == 2


# --- ends and restarts ----------------------------------------------------------------------------


def test_a_worker_ends_with_its_last_tab_and_starts_again_as_another(stage: Stage) -> None:
    first = stage.start()
    second_tab = stage.open()
    stage.connect(second_tab)
    stage.context.pages[0].close()
    stage.workers.advance(1)
    assert not first.ended
    second_tab.close()
    first.wait_until_ended()
    second = stage.start()
    assert stage.workers.starts == [first, second]
    assert stage.workers.all == [second]
    assert second.clock.now == 0


def test_a_terminated_worker_is_gone_and_a_new_one_takes_its_place(stage: Stage) -> None:
    first = stage.start()
    first.terminate()
    assert first.ended
    with pytest.raises(WorkerGone):
        first.evaluate("1")
    [page] = stage.context.pages
    stage.connect(page)
    second = stage.workers.wait_for()
    assert second is not first
    assert second.evaluate("1 + 1") == 2


def test_a_worker_that_was_looked_into_starts_again_with_its_next_tab(stage: Stage) -> None:
    first = stage.start()
    assert first.evaluate("1") == 1
    stage.context.pages[0].close()
    first.wait_until_ended()
    second = stage.start()
    assert second is not first
    assert second.evaluate("2") == 2


def test_a_worker_that_closes_itself_at_once_is_seen_and_its_last_words_are_kept(stage: Stage) -> None:
    stage.gateway.mount("/worker.js", "console.log('in'); self.close(); console.warn('after');")
    stage.connect(stage.open())
    stage.workers.idle()
    stage.workers.deliver()
    [worker] = stage.workers.starts
    worker.wait_until_ended()
    assert [message.text for message in worker.console] == ["in", "after"]


def test_a_worker_whose_tab_is_gone_at_once_does_not_hold_time_up(stage: Stage) -> None:
    stage.gateway.mount("/worker.js", ECHO)
    page = stage.open()
    stage.connect(page)
    page.close()
    other = stage.start(path="/other.js")
    stage.workers.advance(1)
    assert other.clock.now == 1


# --- delivery -------------------------------------------------------------------------------------


def test_a_tab_that_navigates_away_is_not_waited_for(stage: Stage) -> None:
    worker = stage.start()
    page = stage.open()
    stage.connect(page)
    page.evaluate("() => { for (let n = 0; n < 1000; n++) worker.port.postMessage(n); location.reload(); }")
    worker.clock.advance(1)
    page.wait_for_load_state()
    worker.clock.advance(1)
    assert worker.clock.now == 2


def test_a_port_that_its_tab_closed_is_not_waited_for_but_read_to_its_end(stage: Stage) -> None:
    worker = stage.start()
    [page] = stage.context.pages
    page.evaluate("() => { worker.port.postMessage('last'); worker.port.close(); }")
    worker.clock.advance(1)
    assert worker.evaluate("log") == [["last", 0]]


def test_a_worker_with_listeners_and_start_reads_the_same(stage: Stage) -> None:
    worker = stage.start("""
        self.log = [];
        addEventListener("connect", ({ ports: [port] }) => {
            port.addEventListener("message", ({ data }) => log.push(data));
            port.start();
        });
    """)
    stage.context.pages[0].evaluate("() => worker.port.postMessage('x')")
    worker.clock.advance(1)
    assert worker.evaluate("log") == ["x"]


def test_workers_and_tabs_see_nothing_of_the_harness_on_their_ports(stage: Stage) -> None:
    worker = stage.start()
    [page] = stage.context.pages
    page.evaluate("() => worker.port.postMessage('x')")
    for _ in range(3):
        worker.clock.advance(1)
    assert worker.evaluate("log") == [["x", 0]]
    page.wait_for_function("messages.length > 0")
    assert page.evaluate("messages") == ["x"]


# --- evaluation -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "args", "value"),
    [
        ("1 + 1", [], 2),
        ("(a, b) => a + b", [1, 2], 3),
        ("async (a) => ({ a })", [{"deep": [None, True, "ü"]}], {"a": {"deep": [None, True, "ü"]}}),
        ("Promise.resolve('later')", [], "later"),
        ("undefined", [], None),
        ("() => {}", [], None),
        ("42 // the answer", [], 42),
        ("{ a: 1 }", [], {"a": 1}),
    ],
)
def test_evaluate(stage: Stage, expression: str, args: list[object], value: object) -> None:
    assert stage.start().evaluate(expression, *args) == value


def test_evaluate_sees_what_the_script_declares(stage: Stage) -> None:
    worker = stage.start("const queue = [1, 2]; let next = 3; function size() { return queue.length; }")
    assert worker.evaluate("x => queue.length + next + size() + x", 1) == 8


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("() => { throw new TypeError('no such thing'); }", "TypeError: no such thing"),
        ("async () => { throw new RangeError('later'); }", "RangeError: later"),
        ("() => { throw 'text'; }", "text"),
        ("no_such_name", "ReferenceError"),
        ("(", "SyntaxError"),
    ],
)
def test_what_javascript_throws_comes_as_an_exception(stage: Stage, expression: str, message: str) -> None:
    with pytest.raises(EvaluationError, match=message) as error:
        stage.start().evaluate(expression)
    assert error.value.message.startswith(message)


def test_an_exception_has_the_stack(stage: Stage) -> None:
    worker = stage.start("function inner() { throw new Error('deep'); }\nfunction outer() { inner(); }")
    with pytest.raises(EvaluationError) as error:
        worker.evaluate("() => outer()")
    assert error.value.stack.index("inner") < error.value.stack.index("outer")


# --- console and errors ---------------------------------------------------------------------------


def texts(worker: SharedWorker) -> list[str]:
    return [str(message) for message in worker.console]


def test_a_console_line_is_waited_for(stage: Stage) -> None:
    worker = stage.start("onconnect = () => fetch('/slow').then(() => console.warn('ready at', 7));")
    assert worker.expect_console("ready").level == "warn"
    assert worker.expect_console(re.compile(r"at \d$")).text == "ready at 7"


def test_a_console_line_that_does_not_come_shows_those_that_did(stage: Stage) -> None:
    worker = stage.start("console.log('begun'); " + ECHO)
    with pytest.raises(WaitTimeout, match=r"(?s)to write 'ended'; it wrote:\n  log: begun"):
        worker.expect_console("ended", timeout_seconds=0.5)


def test_the_console_is_kept_from_the_first_line_on(stage: Stage) -> None:
    worker = stage.start(
        """
        console.log("first", 1, { a: [1] }, undefined, null);
        console.warn("careful"); console.error(new Error("wrong").message); console.debug("detail");
    """
        + ECHO
    )
    worker.clock.settle()
    assert texts(worker) == [
        'log: first 1 {"a":[1]} undefined null',
        "warn: careful",
        "error: wrong",
        "debug: detail",
    ]


def test_a_worker_that_dies_at_start_is_found_with_its_words_and_its_error(stage: Stage) -> None:
    stage.gateway.mount("/worker.js", 'console.log("begun");\n\nthrow new Error("cannot go on");')
    stage.connect(stage.open())
    worker = stage.workers.wait_for()
    worker.evaluate("1")
    assert texts(worker) == ["log: begun"]
    assert [error.message for error in worker.errors] == ["Error: cannot go on"]


@pytest.mark.parametrize("kind", ["classic", "module"])
@pytest.mark.parametrize("prefix", ["", 'import "./imported.js";'], ids=["plain", "imports"])
def test_line_numbers_stay_the_scripts_own(stage: Stage, kind: str, prefix: str) -> None:
    if kind == "classic" and prefix:
        pytest.skip("a classic script has no imports")
    stage.gateway.mount("/imported.js", "1;")
    worker = stage.start(
        f"{prefix}\n\nsetTimeout(() => {{ throw new Error('on line 3'); }}, 1000);\n{ECHO}", type=kind
    )
    worker.clock.advance(1)
    [error] = worker.errors
    assert "/worker.js:3:" in error.stack


def test_an_unhandled_rejection_is_an_error_too(stage: Stage) -> None:
    worker = stage.start(ECHO)
    worker.evaluate("() => { setTimeout(() => { Promise.reject(new Error('nobody cares')); }, 10); }")
    worker.evaluate("() => { setTimeout(() => { Promise.reject(Symbol('odd')); }, 20); }")
    worker.clock.advance(1)
    worker.clock.settle()
    messages = [error.message for error in worker.errors]
    assert messages == ["Unhandled rejection: Error: nobody cares", "Unhandled rejection: Symbol(odd)"]


# --- before the first line ------------------------------------------------------------------------


SCRIPTS = {
    "classic": ("classic", "self.seen = [...order];"),
    "strict": (
        "classic",
        "'use strict'; self.seen = [...order, (function () { return this === undefined; })()];",
    ),
    "module": ("module", "self.seen = [...order];"),
    "module with imports": (
        "module",
        'import { seen } from "./imported.js"; self.seen = [...seen, ...order];',
    ),
}


@pytest.mark.parametrize("title", SCRIPTS)
def test_init_scripts_run_in_order_before_the_first_line(stage: Stage, title: str) -> None:
    kind, script = SCRIPTS[title]
    stage.gateway.mount("/imported.js", "export const seen = [...order];")
    stage.workers.add_init_script("self.order = ['first']; return; // what follows is not reached")
    stage.workers.add_init_script("self.order.push('second');")
    worker = stage.start(script + ECHO, type=kind)
    expected = {
        "strict": ["first", "second", True],
        "module with imports": ["first", "second"] * 2,
    }.get(title, ["first", "second"])
    assert worker.evaluate("seen") == expected


def test_an_imported_module_is_on_virtual_time_too(stage: Stage) -> None:
    stage.gateway.mount(
        "/imported.js", "export const started = performance.now(); setTimeout(() => note('x'), 50);"
    )
    worker = stage.start(
        'import { started } from "./imported.js"; self.started = started;' + ECHO, type="module"
    )
    worker.clock.advance(0.05)
    assert worker.evaluate("[started, log]") == [0, [["x", 50]]]


def test_a_strict_script_stays_strict_and_a_sloppy_one_sloppy(stage: Stage) -> None:
    ask = "self.strict = (function () { return this === undefined; })();"
    strict = stage.start(f"'use strict';\n{ask}", "/strict.js")
    sloppy = stage.start(ask, "/sloppy.js")
    assert (strict.evaluate("strict"), sloppy.evaluate("strict")) == (True, False)


@pytest.mark.parametrize("policy", ["default-src 'none'", "default-src 'self'", "connect-src 'self'"])
@pytest.mark.parametrize("title", ["classic", "module with imports"])
def test_a_worker_under_a_policy_of_its_own_is_reached(
    stage: Stage, title: str, policy: str, browser_name: str
) -> None:
    if "'none'" in policy and "imports" in title:
        pytest.skip("the policy forbids imports, the worker's own too")
    kind, script = SCRIPTS[title]
    text = script.replace("order", "[]") + ECHO + "console.log('runs');"
    stage.gateway.mount("/imported.js", "export const seen = [];")
    served = {"Content-Type": "text/javascript", "Content-Security-Policy": policy}
    stage.gateway.route("/worker.js", lambda route: route.fulfill(headers=served, body=text))
    stage.connect(stage.open(), type=kind)
    worker = stage.workers.wait_for()
    worker.clock.advance(1)
    assert worker.clock.now == 1
    assert texts(worker) == ["log: runs"]
