"""Files for a failed test, beside Playwright's trace, and the sections of its failure report.

The plugin writes them while the test's fixtures still exist, into pytest-playwright's folder for the test
(`--output`, then the test's name):

| file | contents |
|---|---|
| journal.har | every exchange, for the network panel of a browser's developer tools |
| journal.txt | every exchange, one line each |
| worker-console.txt | every worker with its state, console and uncaught errors; then those of the tabs |
| timeline.txt | all of this in chronological order |
| timeline.html | the same as the inspector's view, which opens offline |
| clock.json | each worker's clock: now, date, timers, pending work |

A test that is expected to fail (xfail) leaves no files.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pytest_sharedworker.gateway.events import TimelineEvent
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.gateway.har import make_har
from pytest_sharedworker.reporting.clock_summary import describe_clocks
from pytest_sharedworker.tabs.console import TabConsole
from pytest_sharedworker.terminal_text import escape_text
from pytest_sharedworker.timeline.reader import TimelineReader
from pytest_sharedworker.timeline.text import line, timeline
from pytest_sharedworker.timeline.workers import list_worker_events
from pytest_sharedworker.workers.manager import WorkerManager


@dataclass
class ArtifactSources:
    """What the artifacts of one test are made from, and the folder to write them to."""

    gateway: Gateway
    folder: Path
    workers: WorkerManager | None = None
    tab_console: TabConsole = field(default_factory=TabConsole)


ARTIFACT_SOURCES = pytest.StashKey[ArtifactSources]()
"""Its key in the stash of the test's item; the plugin's fixtures set it."""


_PASSED = pytest.StashKey[bool]()


def has_passed(item: pytest.Item) -> bool:
    """Return whether the test itself has passed; False before it has run."""
    return item.stash.get(_PASSED, False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail the test with what a route's handler raised: in the test itself, so that xfail sees it."""
    try:
        result = yield
    except (Exception, pytest.fail.Exception):
        _raise_handler_error(item)  # The cause; the test's own failure is its context.
        raise
    _raise_handler_error(item)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Write the files of a failed test, and show the journal's tail and the workers' console.

    What the failure's own message has already, such as that of a wait for a request, is not shown again.
    """
    report = yield
    if report.when == "call":
        item.stash[_PASSED] = report.passed
    artifacts = item.stash.get(ARTIFACT_SOURCES, None)
    if artifacts is None or report.when == "teardown" or not report.failed:
        return report
    said = str(call.excinfo.value) if call.excinfo else ""
    _show(report, "SharedWorker gateway", artifacts.gateway.journal.tail, said)
    if artifacts.workers is not None:
        _show(report, "SharedWorkers", artifacts.workers.explain, said)
    elif artifacts.tab_console.messages:
        messages = artifacts.tab_console.messages[-10:]
        _show(report, "Tabs", lambda: "\n".join(each.text for each in messages), said)
    # A worker that is stuck costs a wait, so each one is asked once.
    read_clocks = functools.cache(lambda: clock_states(artifacts.workers))
    _show(report, "SharedWorker clocks", lambda: describe_clocks(read_clocks().values()))
    _show(
        report,
        "SharedWorker artifacts",
        lambda: "\n".join([str(artifacts.folder), *write(artifacts, read_clocks)]),
    )
    return report


def write(artifacts: ArtifactSources, read_clocks: Callable[[], dict[str, Any]]) -> list[str]:
    """Write all files and return a line for each: its name, or why it could not be written.

    `read_clocks` returns what clock.json holds.
    """
    folder, journal = artifacts.folder, artifacts.gateway.journal
    contents: dict[str, Callable[[], str]] = {
        "journal.har": lambda: json.dumps(make_har(journal), indent=1),
        "journal.txt": lambda: "".join(f"{exchange}\n" for exchange in journal),
        "worker-console.txt": lambda: console_text(artifacts),
        "timeline.txt": lambda: timeline(list_events(artifacts), journal.started_at),
        "timeline.html": lambda: view(artifacts),
        "clock.json": lambda: json.dumps(read_clocks(), indent=1) + "\n",
    }
    return [_write(folder / name, content) for name, content in contents.items()]


def list_events(artifacts: ArtifactSources) -> list[TimelineEvent]:
    """Return all events of the test in chronological order."""
    workers = artifacts.workers
    reader = TimelineReader(
        artifacts.gateway.journal,
        notes=artifacts.gateway._notes,
        moves=workers.clock_moves.moves if workers else (),
        tab_console=artifacts.tab_console,
        workers=lambda: workers.history if workers else (),
    )
    return reader.read_new()


def _list_tab_events(artifacts: ArtifactSources) -> list[TimelineEvent]:
    return [TimelineEvent(message.at, message.text) for message in artifacts.tab_console.messages]


def view(artifacts: ArtifactSources) -> str:
    """Return all events as the inspector's view, one HTML document."""
    # Imported here: only a test that fails needs it.
    from pytest_sharedworker.inspector.feed import MAX_EVENTS, to_json
    from pytest_sharedworker.inspector.page import make_page

    origin = artifacts.gateway.journal.started_at
    events = [to_json(event, origin) for event in list_events(artifacts)[-MAX_EVENTS:]]
    return make_page(artifacts.folder.name, events)


def console_text(artifacts: ArtifactSources) -> str:
    """Return every worker with its state, console and uncaught errors; then what the tabs wrote and threw."""
    gateway, workers = artifacts.gateway, artifacts.workers
    blocks = []
    for worker in workers.history if workers else ():
        state = "closed" if worker.is_closed() else "alive"
        lines = [line(event, gateway.journal.started_at) for event in list_worker_events(worker)]
        blocks.append("\n".join([f"{worker.label} {worker.url} ({worker.id}, {state})", *lines]) + "\n")
    text = "\n".join(blocks) or "No worker has started.\n"
    tabs = [line(event, gateway.journal.started_at) for event in _list_tab_events(artifacts)]
    return "\n".join([text, "tabs", *tabs]) + "\n" if tabs else text


def clock_states(workers: WorkerManager | None) -> dict[str, Any]:
    """Return each worker's clock state by the worker's id, with an `error` if it does not respond."""
    states: dict[str, Any] = {}
    for worker in workers.history if workers else ():
        state: dict[str, Any] = {"worker": worker.label, "url": worker.url, "closed": worker.is_closed()}
        if not worker.is_closed():
            try:
                state |= worker.clock.state()
            except Exception as error:  # One worker must not cost the other workers' states.
                state["error"] = str(error)
        states[worker.id] = state
    return states


def _write(path: Path, content: Callable[[], str]) -> str:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content()
        if path.suffix == ".txt":  # JSON has its own escapes.
            text = escape_text(text)
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
    except Exception as error:  # An artifact must not hide the failure that it explains.
        return f"  {path.name} could not be written: {error!r}"
    return f"  {path.name}"


def _show(report: pytest.TestReport, title: str, content: Callable[[], str], said: str = "") -> None:
    """Add a section to a report, unless its text is empty or a part of `said`."""
    try:
        text = content()
    except Exception as error:  # A crashed browser does not respond.
        text = f"could not be read: {error!r}"
    if text in said:
        return
    # A lone surrogate, which JavaScript allows, can neither be printed nor sent to another process.
    report.sections.append((title, escape_text(text)))


def _raise_handler_error(item: pytest.Item) -> None:
    artifacts = item.stash.get(ARTIFACT_SOURCES, None)
    if artifacts is not None:
        artifacts.gateway._raise_handler_error()
