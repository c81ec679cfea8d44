"""Errors for workers that cannot start: each is one of the plugin's errors and names the reason.

Wrong use of a clock is tested in test_clock_failures.py; a port in use and invalid toxics, which need no
browser, in unit/pytest_sharedworker.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from e2e.plugin.app import ECHO, PAGE, App
from pytest_sharedworker import (
    AmbiguousWorkerError,
    ResetPeer,
    ToxicError,
    WorkerNotFoundError,
)

SHORT_MS = 500


def test_missing_worker_is_an_error(app: App) -> None:
    with pytest.raises(
        WorkerNotFoundError, match=r"a SharedWorker '\*\*/none.js' did not appear within 500 ms"
    ):
        app.workers.wait_for("**/none.js", timeout=SHORT_MS)


def test_error_for_missing_worker_lists_the_workers_seen(app: App) -> None:
    app.start(name="echo")
    with pytest.raises(
        WorkerNotFoundError, match=r"workers seen: \[<SharedWorker 'echo' .*/worker.js>\]"
    ) as error:
        app.workers.wait_for("**/none.js", timeout=SHORT_MS)
    assert "The journal's last" in str(error.value)


def test_worker_that_is_almost_the_wanted_one_is_explained(app: App) -> None:
    worker = app.start()
    with pytest.raises(WorkerNotFoundError, match=r"\ndid you mean '\*\*/worker.js'\?\n"):
        app.workers.wait_for("**/wroker.js", timeout=SHORT_MS)
    with (
        pytest.raises(WorkerNotFoundError, match="such a worker had started before the `with` block"),
        app.workers.expect_worker("**/worker.js", timeout=SHORT_MS),
    ):
        pass
    app.context.pages[0].close()
    worker.wait_for_close()
    with pytest.raises(WorkerNotFoundError, match="such a worker has ended"):
        app.workers.wait_for("**/worker.js", timeout=SHORT_MS)


@pytest.mark.parametrize("kind", ["classic", "module"])
def test_syntax_error_is_named(app: App, kind: str, browser_name: str) -> None:
    app.gateway.serve("/worker.js", "let = ;")
    app.connect(app.open(), type=kind)
    reason = (
        "SyntaxError: Unexpected" if browser_name == "chromium" and kind == "classic" else "a syntax error"
    )
    with pytest.raises(
        WorkerNotFoundError, match=rf"/worker.js: its script was served but did not run: {reason}"
    ):
        app.workers.wait_for()


def test_module_started_as_classic_script_is_named(app: App) -> None:
    app.gateway.serve("/worker.js", "export const a = 1;")
    app.connect(app.open())
    with pytest.raises(
        WorkerNotFoundError,
        match=r"did not run: (SyntaxError: Cannot use import|.*without \{type: 'module'\})",
    ):
        app.workers.wait_for()


def test_missing_import_is_named(app: App) -> None:
    app.gateway.serve("/worker.js", 'import "./missing.js";')
    app.connect(app.open(), type="module")
    with pytest.raises(WorkerNotFoundError, match=r"(?s)a failed import.*/missing.js → 404"):
        app.workers.wait_for(timeout=4_000)  # Firefox does not report it to the tab.


def test_missing_script_is_named(app: App) -> None:
    app.connect(app.open(), path="/missing.js")
    with pytest.raises(
        WorkerNotFoundError,
        match=r"/missing.js: the response to its script is 404; serve the script, or correct the URL",
    ):
        app.workers.wait_for()


def test_script_with_wrong_content_type_is_named(app: App, browser_name: str) -> None:
    if browser_name == "webkit":
        pytest.skip("WebKit runs a module worker of any type")
    app.gateway.serve("/worker.js", ECHO, content_type="text/html")
    app.connect(app.open(), type="module")
    with pytest.raises(
        WorkerNotFoundError, match="its script has the type 'text/html'; browsers run text/javascript only"
    ):
        app.workers.wait_for()


def test_script_without_response_is_named(app: App) -> None:
    app.gateway.serve("/worker.js", ECHO)
    app.gateway.add_toxic(ResetPeer(), on="/worker.js")
    app.connect(app.open())
    with pytest.raises(
        WorkerNotFoundError, match=r"its script got no response \(see the toxics in the journal\)"
    ):
        app.workers.wait_for()


def test_content_security_policy_is_named(app: App, browser_name: str) -> None:
    if browser_name == "webkit":
        pytest.skip("in WebKit `new SharedWorker` throws: the page knows the reason")
    app.gateway.serve("/worker.js", ECHO)
    policy = "<meta http-equiv=Content-Security-Policy content=\"worker-src 'none'\">"
    app.gateway.serve(PAGE, f"<!doctype html>{policy}<title>app</title>")
    app.connect(app.open())
    with pytest.raises(WorkerNotFoundError, match=r"does a Content-Security-Policy \(worker-src\) forbid it"):
        app.workers.wait_for()


def test_unreachable_server_is_named(app: App) -> None:
    # The port of the discard service, which test machines do not run.
    app.gateway._upstream.origin = "http://127.0.0.1:9"
    app.connect(app.open(), path="/app/worker.js")
    with pytest.raises(
        WorkerNotFoundError,
        match=r"(?s)the response to its script is 502.*cannot reach the server http://127.0.0.1:9",
    ):
        app.workers.wait_for()


def connect_until_answered(page: Page) -> None:
    """Connect to the worker, again where Firefox connects to the one that has just failed."""
    page.evaluate("""async () => {
        for (let isAnswered = false; !isAnswered;) {
            const { port } = new SharedWorker("/worker.js");
            isAnswered = await new Promise((resolve) => {
                port.onmessage = () => resolve(true);
                port.postMessage("");
                setTimeout(resolve, 500, false);
            });
        }
    }""")


def test_worker_is_found_after_a_failed_start(app: App) -> None:
    page = app.open()
    app.connect(page)
    with pytest.raises(WorkerNotFoundError, match="the response to its script is 404"):
        app.workers.wait_for()
    app.gateway.serve("/worker.js", ECHO)
    connect_until_answered(page)
    worker = app.workers.wait_for()
    worker.clock.run_for(1_000)
    assert worker.clock.now == 1_000


def test_failed_worker_does_not_hide_another_worker(app: App) -> None:
    app.connect(app.open(), path="/missing.js")
    assert app.start(path="/other.js").url.endswith("/other.js")


def test_failed_worker_does_not_stop_the_clock(app: App) -> None:
    app.connect(app.open(), path="/missing.js")
    app.workers._manager.settle_messages()  # Raises if it waits for the failed worker's port.
    app.workers.clock.run_for(1_000)


def test_ports_that_a_worker_does_not_read_are_noted(app: App) -> None:
    worker = app.start("throw new Error('before any port');")
    app.context.pages[0].evaluate("() => worker.port.postMessage('lost')")
    worker.clock.run_for(1_000)
    assert worker.clock.state()["unread_ports"] == [{"isTransferred": False, "readCount": 0}]
    assert not worker.is_closed()


def test_glob_that_matches_two_workers_is_ambiguous(app: App) -> None:
    app.start(path="/one.js")
    app.start(path="/two.js")
    with pytest.raises(
        AmbiguousWorkerError,
        match=r"2 workers match a SharedWorker '\*\*'.*give a narrower pattern, a name or a context",
    ):
        app.workers.wait_for()


def test_unknown_toxic_is_an_error_with_a_suggestion(app: App) -> None:
    with pytest.raises(ToxicError, match="did you mean Latency"):
        app.gateway.add_toxic("latencies")  # type: ignore[arg-type]


def test_worker_that_runs_with_other_options_is_named(app: App) -> None:
    app.start(ECHO, name="counter")
    other = app.open()
    other.evaluate(
        """() => new Promise((resolve) => {
            const worker = new SharedWorker("/worker.js", { name: "counter", type: "module" });
            worker.onerror = () => resolve();
        })"""
    )
    app.workers.clock.run_for(1_000)  # It does not wait for the tab without a worker.
    assert "/worker.js: a worker of this URL and name runs, so the tab asks for other options" in (
        app.workers._manager.explain()
    )


@pytest.mark.worker_clock("real")
def test_syntax_error_on_the_real_clock(app: App) -> None:
    app.gateway.serve("/worker.js", "let = ;")
    app.connect(app.open())
    with pytest.raises(WorkerNotFoundError, match="its script was served but did not run"):
        app.workers.wait_for()
