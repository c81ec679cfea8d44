"""What a failed test leaves behind, beside Playwright's trace, and the end of its failure's text.

The files are written while the test's fixtures still live, into the folder that pytest-playwright uses
for the test (`--output`, then the test's name):

| file | holds |
|---|---|
| journal.har | every exchange, for the network panel of a browser's developer tools |
| journal.txt | every exchange, a line each |
| worker-console.txt | every worker with its state, what it wrote and what it threw |
| timeline.txt | all of it in the order of time |
| clock.json | each worker's clock: now, date, timers, pending requests |

A test that is expected to fail (xfail) leaves nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.gateway.har import har
from pytest_sharedworker.reporting.timeline import line, timeline, worker_moments
from pytest_sharedworker.workers.shared_workers import SharedWorkers


@dataclass
class TestArtifacts:
    """What a test works with, and the folder for what it leaves behind if it fails."""

    gateway: Gateway
    folder: Path
    workers: SharedWorkers | None = None


TEST_ARTIFACTS = pytest.StashKey[TestArtifacts]()
"""Where the plugin's fixtures leave it, in the test's stash."""

CLOCK_TIMEOUT_SECONDS = 2.0
"""How long a worker may take to tell its clock's state; one in an endless loop never does."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Make the test fail with what a route's handler raised: in the test itself, so that xfail sees it."""
    try:
        result = yield
    except (Exception, pytest.fail.Exception):
        _raise_handler_error(item)  # The cause, with the test's own failure as its context.
        raise
    _raise_handler_error(item)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Write the files of a test that failed, and show the journal's tail and the workers' console."""
    report = yield
    scene = item.stash.get(TEST_ARTIFACTS, None)
    if scene is None or report.when == "teardown" or not report.failed:
        return report
    _show(report, "SharedWorker gateway", scene.gateway.journal.tail)
    if scene.workers is not None:
        _show(report, "SharedWorkers", scene.workers.explain)
    _show(report, "SharedWorker artefacts", lambda: "\n".join([str(scene.folder), *write(scene)]))
    return report


def write(scene: TestArtifacts) -> list[str]:
    """Write all files and return a line for each: its name, or why it is not there."""
    folder, gateway, workers = scene.folder, scene.gateway, scene.workers
    journal = gateway.journal
    contents: dict[str, Callable[[], str]] = {
        "journal.har": lambda: json.dumps(har(journal), indent=1),
        "journal.txt": lambda: "".join(f"{exchange}\n" for exchange in journal),
        "worker-console.txt": lambda: console_text(gateway, workers),
        "timeline.txt": lambda: timeline(journal, gateway.notes, workers.starts if workers else ()),
        "clock.json": lambda: json.dumps(clock_states(workers), indent=1) + "\n",
    }
    return [_write(folder / name, content) for name, content in contents.items()]


def console_text(gateway: Gateway, workers: SharedWorkers | None) -> str:
    """Every worker with its state, and its console and uncaught errors with real and virtual seconds."""
    blocks = []
    for worker in workers.starts if workers else ():
        state = "ended" if worker.ended else "alive"
        lines = [line(moment, gateway.journal.started_at) for moment in worker_moments(worker)]
        blocks.append("\n".join([f"{worker.label} {worker.url} ({worker.id}, {state})", *lines]) + "\n")
    return "\n".join(blocks) or "No worker has started.\n"


def clock_states(workers: SharedWorkers | None) -> dict[str, Any]:
    """The state of each worker's clock by the worker's id; a worker that cannot tell has an `error`."""
    states: dict[str, Any] = {}
    for worker in workers.starts if workers else ():
        state: dict[str, Any] = {"worker": worker.label, "url": worker.url, "ended": worker.ended}
        if not worker.ended:
            try:
                state |= worker.clock.state(timeout_seconds=CLOCK_TIMEOUT_SECONDS)
            except Exception as error:  # Whatever it is: it must not cost the other workers' states.
                state["error"] = str(error)
        states[worker.id] = state
    return states


def _write(path: Path, content: Callable[[], str]) -> str:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content(), encoding="utf-8", errors="backslashreplace")
    except Exception as error:  # An artefact must never hide the failure that it is to explain.
        return f"  {path.name} could not be written: {error!r}"
    return f"  {path.name}"


def _show(report: pytest.TestReport, title: str, content: Callable[[], str]) -> None:
    try:
        text = content()
    except Exception as error:  # A browser that crashed cannot be asked any more.
        text = f"could not be read: {error!r}"
    # Half a surrogate pair, which JavaScript allows, can neither be printed nor sent to another process.
    report.sections.append((title, text.encode("utf-8", "backslashreplace").decode()))


def _raise_handler_error(item: pytest.Item) -> None:
    scene = item.stash.get(TEST_ARTIFACTS, None)
    if scene is not None:
        scene.gateway.raise_handler_error()
