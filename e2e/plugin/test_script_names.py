"""A worker may declare any name, also one of the browser's globals: the prologue in front of it still runs.

ECMA-262 §16.1.7: functions, and the names of `let`, `const` and `class`, exist before a script's first line.
"""

from __future__ import annotations

import re
from importlib import resources
from typing import Any

import pytest

from e2e.plugin.app import App
from pytest_sharedworker import injected

PER_CLOCK = pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.worker_clock(kind)) for kind in ("real", "virtual")]
)
ANSWER = """
onconnect = ({ ports: [port] }) => {
    port.onmessage = ({ data }) => { this.last = data; port.postMessage(typeof data); };
};
"""
GLOBALS = re.findall(
    r"\w+", (resources.files(injected) / "globals.js").read_text(encoding="utf-8").partition("const {")[2]
)[:-1]
"""Those that the prologue uses."""


def ask(app: App, script: str, **options: Any) -> object:
    """Start a worker of this script, post a text to it, and return its answer."""
    app.gateway.serve("/worker.js", script)
    page = app.open()
    app.connect(page, **options)
    page.evaluate("() => worker.port.postMessage('text')")
    page.wait_for_function("() => messages.length > 0")
    return page.evaluate("messages[0]")


@PER_CLOCK
@pytest.mark.parametrize("declaration", ["class {} {{}}", "const {} = 1;"], ids=["class", "const"])
@pytest.mark.parametrize("type", ["classic", "module"])
def test_worker_declares_names_of_the_browser(app: App, kind: str, declaration: str, type: str) -> None:
    declarations = "\n".join(map(declaration.format, [*GLOBALS, "fetch", "WebSocket", "close"]))
    answer = ANSWER.replace("onconnect", "self.onconnect").replace("this", "self")
    assert ask(app, f"{answer}\n{declarations}", type=type) == "string"
    worker = app.workers.wait_for()
    assert worker.evaluate("self.last") == "text"
    app.workers.clock.settle()
    assert worker.errors() == []


@PER_CLOCK
@pytest.mark.parametrize("name", ["self", "globalThis"])
def test_worker_declares_the_name_of_the_global_object(app: App, kind: str, name: str) -> None:
    assert ask(app, f"{ANSWER}\nconst {name} = this;") == "string"


@PER_CLOCK
def test_page_declares_names_of_the_browser(app: App, kind: str) -> None:
    # Those that Playwright does not use itself, and that a page can declare.
    names = [
        "URL", "ErrorEvent", "Uint32Array", "crypto", "LockManager", "MessageChannel", "MessagePort",
        "performance",
    ]  # fmt: skip
    declarations = "".join(f"class {name} {{}}" for name in names)
    app.gateway.serve("/worker.js", ANSWER)
    app.gateway.serve("/own.html", f"<!doctype html><script>{declarations}</script>")
    page = app.context.new_page()
    page.goto(app.gateway.url + "/own.html")
    app.connect(page)
    page.evaluate("() => worker.port.postMessage('text')")
    app.workers.clock.settle()
    page.wait_for_function("() => messages.length > 0")
    assert page.evaluate("messages") == ["string"]


@PER_CLOCK
def test_worker_declares_functions_of_the_browser(app: App, kind: str) -> None:
    script = """
        function fetch(url) { return `own ${url}`; }
        function close() { return "own close"; }
        function setTimeout(callback) { callback(); return "own timer"; }
        onconnect = ({ ports: [port] }) => {
            port.onmessage = () => port.postMessage(
                [fetch("x"), close(), setTimeout(() => {}), String(fetch).includes("own"), fetch.name]
            );
        };
    """
    assert ask(app, script) == ["own x", "own close", "own timer", True, "fetch"]
    assert not app.workers.wait_for().is_closed()


@PER_CLOCK
@pytest.mark.parametrize("start", ["--> a comment", " \t--> a comment", "\n--> a comment"])
def test_script_begins_with_an_html_comment(app: App, kind: str, start: str) -> None:
    assert ask(app, f"{start}\n{ANSWER}") == "string"


@PER_CLOCK
@pytest.mark.parametrize(
    "reason",
    [
        "Object.create(null)",
        "{ get stack() { throw new Error('no stack'); } }",
        "{ stack: 1n }",
        "{ toString() { throw new Error('no text'); } }",
        "Symbol('reason')",
    ],
)
def test_rejection_of_anything_is_reported_as_it_is(app: App, kind: str, reason: str) -> None:
    worker = app.start(f"""
        self.seen = [];
        self.onerror = (message) => {{ seen.push(message); }};
        self.onunhandledrejection = ({{ reason }}) => {{ seen.push(typeof reason); self.reported(); }};
        onconnect = () => {{}};
        self.done = new Promise((resolve) => {{ self.reported = resolve; }});
        Promise.reject({reason if reason.startswith("{") is False else f"({reason})"});
    """)
    worker.evaluate("() => done")
    assert worker.evaluate("seen") == ["symbol" if reason.startswith("Symbol") else "object"]
    [error] = worker.errors()
    assert error.message.startswith("Unhandled rejection: ")
    assert error.stack == ""


@PER_CLOCK
def test_text_of_functions_is_the_browsers(app: App, kind: str) -> None:
    worker = app.start()
    page = app.open()
    names = ["fetch", "XMLHttpRequest", "WebSocket", "close", "importScripts", "setTimeout", "Date"]
    texts = worker.evaluate("(names) => names.map((name) => String(self[name]))", names)
    assert [re.findall(r"\w+(?=\()", text) for text in texts] == [[name] for name in names]
    expression = """() => {
        const text = Function.prototype.toString;
        try {
            text.call({});
        } catch ({ name }) {
            return [String(text), text.name, name];
        }
    }"""
    assert worker.evaluate(expression) == page.evaluate(expression)
    assert "SharedWorker(" in page.evaluate("String(SharedWorker)")
