"""What goes wrong when a test is wrong: an exception of the plugin's own tree, in time, with what to do.

A clock's wrong use stands in test_clock.py; a port in use, a dead server and unknown toxics, which need
no browser, in unit/pytest_sharedworker.
"""

from __future__ import annotations

import pytest

from e2e.plugin.environment import ECHO, PAGE, Stage
from pytest_sharedworker.errors import AmbiguousWorker, ToxicError, WaitTimeout, WorkerNotFound

SHORT_SECONDS = 0.5


def test_a_worker_that_never_appears(stage: Stage) -> None:
    with pytest.raises(WorkerNotFound, match=r"a SharedWorker '\*\*/none.js' did not appear within 0.5 s"):
        stage.workers.wait_for("**/none.js", timeout_seconds=SHORT_SECONDS)


def test_a_worker_that_never_appears_is_told_those_that_did(stage: Stage) -> None:
    stage.start(name="echo")
    with pytest.raises(
        WorkerNotFound, match=r"workers seen: \[<SharedWorker 'echo' .*/worker.js>\]"
    ) as error:
        stage.workers.wait_for("**/none.js", timeout_seconds=SHORT_SECONDS)
    assert "The journal's last" in str(error.value)


@pytest.mark.parametrize("kind", ["classic", "module"])
def test_a_syntax_error(stage: Stage, kind: str, browser_name: str) -> None:
    stage.gateway.mount("/worker.js", "let = ;")
    stage.connect(stage.open(), type=kind)
    reason = (
        "SyntaxError: Unexpected" if browser_name == "chromium" and kind == "classic" else "a syntax error"
    )
    with pytest.raises(
        WorkerNotFound, match=rf"/worker.js: its script was served but does not run: {reason}"
    ):
        stage.workers.wait_for()


def test_a_module_that_is_started_as_a_classic_script(stage: Stage) -> None:
    stage.gateway.mount("/worker.js", "export const a = 1;")
    stage.connect(stage.open())
    with pytest.raises(
        WorkerNotFound, match=r"does not run: (SyntaxError: Cannot use import|.*without \{type: 'module'\})"
    ):
        stage.workers.wait_for()


def test_an_import_that_is_not_there(stage: Stage) -> None:
    stage.gateway.mount("/worker.js", 'import "./missing.js";')
    stage.connect(stage.open(), type="module")
    with pytest.raises(WorkerNotFound, match=r"(?s)a failed import.*/missing.js → 404"):
        stage.workers.wait_for(timeout_seconds=4)  # Firefox tells the tab nothing of it.


def test_a_script_that_is_not_there(stage: Stage) -> None:
    stage.connect(stage.open(), path="/missing.js")
    with pytest.raises(
        WorkerNotFound, match=r"/missing.js: its script was answered with 404; mount it, or mend the URL"
    ):
        stage.workers.wait_for()


def test_a_script_of_the_wrong_type(stage: Stage) -> None:
    stage.gateway.mount("/worker.js", ECHO, "text/html")
    stage.connect(stage.open(), type="module")
    with pytest.raises(
        WorkerNotFound, match="its script has the type 'text/html'; a browser runs text/javascript only"
    ):
        stage.workers.wait_for()


def test_a_script_whose_connection_is_reset(stage: Stage) -> None:
    stage.gateway.mount("/worker.js", ECHO)
    stage.gateway.toxic("reset_peer", on="/worker.js")
    stage.connect(stage.open())
    with pytest.raises(WorkerNotFound, match=r"its script got no answer \(see the toxics in the journal\)"):
        stage.workers.wait_for()


def test_a_policy_that_forbids_the_worker(stage: Stage) -> None:
    stage.gateway.mount("/worker.js", ECHO)
    policy = "<meta http-equiv=Content-Security-Policy content=\"worker-src 'none'\">"
    stage.gateway.mount(PAGE, f"<!doctype html>{policy}<title>stage</title>")
    stage.connect(stage.open())
    with pytest.raises(WorkerNotFound, match=r"does a Content-Security-Policy \(worker-src\) forbid it"):
        stage.workers.wait_for()


def test_a_server_that_is_dead(stage: Stage) -> None:
    stage.gateway.upstream.origin = "http://127.0.0.1:9"  # The discard service: no test machine has one.
    stage.connect(stage.open(), path="/app/worker.js")
    with pytest.raises(
        WorkerNotFound, match=r"(?s)answered with 502.*cannot reach the server http://127.0.0.1:9"
    ):
        stage.workers.wait_for()


def test_an_attempt_that_failed_does_not_spoil_the_next(stage: Stage) -> None:
    page = stage.open()
    stage.connect(page)
    with pytest.raises(WorkerNotFound, match="answered with 404"):
        stage.workers.wait_for()
    stage.gateway.mount("/worker.js", ECHO)
    stage.connect(page)
    worker = stage.workers.wait_for()
    worker.clock.advance(1)
    assert worker.clock.now == 1


def test_a_worker_that_failed_does_not_stand_for_another(stage: Stage) -> None:
    stage.connect(stage.open(), path="/missing.js")
    assert stage.start(path="/other.js").url.endswith("/other.js")


def test_a_worker_that_failed_holds_no_time_up(stage: Stage) -> None:
    stage.connect(stage.open(), path="/missing.js")
    stage.workers.deliver()  # It raises where it waits for what nobody will read.
    stage.workers.advance(1)


def test_a_worker_that_never_reads_is_told_with_its_error(stage: Stage) -> None:
    worker = stage.start("throw new Error('before any port');")
    with pytest.raises(WaitTimeout, match=r"(?s)port.onmessage or call port.start\(\).*before any port"):
        stage.workers.deliver()  # It raises where it waits for what nobody will read.
    assert not worker.ended


def test_a_glob_that_matches_two_workers(stage: Stage) -> None:
    stage.start(path="/one.js")
    stage.start(path="/two.js")
    with pytest.raises(
        AmbiguousWorker, match=r"2 workers answer to a SharedWorker '\*'.*give a narrower glob or a name"
    ):
        stage.workers.wait_for()


def test_a_toxic_that_there_is_not(stage: Stage) -> None:
    with pytest.raises(ToxicError, match="did you mean 'latency'"):
        stage.gateway.toxic("latencies")


@pytest.mark.worker_clock("real")
def test_a_syntax_error_on_real_time(stage: Stage) -> None:
    stage.gateway.mount("/worker.js", "let = ;")
    stage.connect(stage.open())
    with pytest.raises(WorkerNotFound, match="its script was served but does not run"):
        stage.workers.wait_for()
