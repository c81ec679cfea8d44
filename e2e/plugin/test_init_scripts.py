"""Init scripts run before a worker's first line, in classic and module workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.plugin.app import ECHO, App, read_console
from pytest_sharedworker import SharedWorkerError

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
def test_init_scripts_run_in_order_before_the_first_line(app: App, title: str) -> None:
    kind, script = SCRIPTS[title]
    app.gateway.serve("/imported.js", "export const seen = [...order];")
    app.workers.add_init_script("self.order = ['first']; return; // a function body")
    app.workers.add_init_script("self.order.push('second');")
    worker = app.start(script + ECHO, type=kind)
    expected = {
        "strict": ["first", "second", True],
        "module with imports": ["first", "second"] * 2,
    }.get(title, ["first", "second"])
    assert worker.evaluate("self.seen") == expected


def test_init_script_is_read_from_a_file(app: App, tmp_path: Path) -> None:
    file = tmp_path / "init.js"
    file.write_text("self.order = ['Grüße'];", encoding="utf-8")
    app.workers.add_init_script(path=file)
    app.workers.add_init_script(path=str(file))
    app.workers.add_init_script("order.push('text');")
    file.unlink()
    assert app.start("self.seen = [...order];" + ECHO).evaluate("seen") == ["Grüße", "text"]


@pytest.mark.parametrize("arguments", [{}, {"script": "1;", "path": "init.js"}], ids=["none", "both"])
def test_init_script_needs_either_text_or_path(app: App, arguments: dict[str, str]) -> None:
    with pytest.raises(SharedWorkerError, match=r"give add_init_script\(\) a script or a path"):
        app.workers.add_init_script(**arguments)


def test_missing_init_script_is_an_error_at_once(app: App, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        app.workers.add_init_script(path=tmp_path / "missing.js")


def test_imported_module_is_on_virtual_time(app: App) -> None:
    app.gateway.serve(
        "/imported.js", "export const started = performance.now(); setTimeout(() => note('x'), 50);"
    )
    worker = app.start(
        'import { started } from "./imported.js"; self.started = started;' + ECHO, type="module"
    )
    worker.clock.run_for(50)
    assert worker.evaluate("[started, log]") == [0, [["x", 50]]]


def test_strict_and_sloppy_mode_are_kept(app: App) -> None:
    test_mode = "self.strict = (function () { return this === undefined; })();"
    strict = app.start(f"'use strict';\n{test_mode}", "/strict.js")
    sloppy = app.start(test_mode, "/sloppy.js")
    assert (strict.evaluate("strict"), sloppy.evaluate("strict")) == (True, False)


@pytest.mark.parametrize("policy", ["default-src 'none'", "default-src 'self'", "connect-src 'self'"])
@pytest.mark.parametrize("title", ["classic", "module with imports"])
def test_worker_with_content_security_policy_is_reached(
    app: App, title: str, policy: str, browser_name: str
) -> None:
    if "'none'" in policy and "imports" in title:
        pytest.skip("the policy forbids the worker's imports")
    kind, script = SCRIPTS[title]
    text = script.replace("order", "[]") + ECHO + "console.log('runs');"
    app.gateway.serve("/imported.js", "export const seen = [];")
    served = {"Content-Type": "text/javascript", "Content-Security-Policy": policy}
    app.gateway.route("/worker.js", lambda route: route.fulfill(headers=served, body=text))
    app.connect(app.open(), type=kind)
    worker = app.workers.wait_for()
    worker.clock.run_for(1_000)
    assert worker.clock.now == 1_000
    assert read_console(worker) == ["log: runs"]


def test_init_script_that_throws_is_an_error_of_the_worker_alone(app: App) -> None:
    app.workers.add_init_script("throw new Error('init script');")
    worker = app.start()
    worker.clock.settle()
    assert worker.evaluate("log") == []
    assert [error.message for error in worker.errors()] == ["Error: init script"]
