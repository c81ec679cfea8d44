"""Workers on the real clock, the default: tests that request `shared_workers` without `worker_clock`.

unit/pytest_sharedworker/clock tests how the real clock waits.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Page

from e2e.plugin.app import ECHO, App, read_log, wait_for_console
from pytest_sharedworker import ClockError, Gateway, SharedWorker, SharedWorkers, UnsupportedError


@pytest.fixture
def app(gateway: Gateway, shared_workers: SharedWorkers, context: BrowserContext) -> App:
    """Override the fixture of the virtual clock."""
    return App(gateway, shared_workers, context)


def test_clock_is_real_by_default(app: App, worker: SharedWorker) -> None:
    assert app.workers.clock.kind == "real"
    assert worker.clock.kind == "real"


def test_timer_fires_without_a_move_of_the_clock(worker: SharedWorker) -> None:
    worker.evaluate("() => { setTimeout(note, 50, 'timer'); }")
    worker.wait_for_function("log.length")
    ((value, _),) = read_log(worker)
    assert value == "timer"


def test_run_for_waits_for_timers_of_all_workers(app: App) -> None:
    workers = [app.start(path=path) for path in ("/first.js", "/second.js")]
    for worker in workers:
        worker.evaluate("() => { setTimeout(note, 300, 'timer'); }")
    app.workers.clock.run_for(500)
    assert [[value for value, _ in read_log(worker)] for worker in workers] == [["timer"]] * 2


def test_messages_of_tabs_are_read_and_sent_back(app: App, worker: SharedWorker) -> None:
    [page] = app.context.pages
    page.evaluate("() => worker.port.postMessage('hello')")
    page.wait_for_function("() => messages.includes('hello')")
    assert [value for value, _ in read_log(worker)] == ["hello"]


def test_console_messages_have_no_virtual_time(app: App) -> None:
    worker = app.start("console.log('first line'); " + ECHO)
    assert wait_for_console(worker, "first line").virtual_time is None
    with worker.expect_console_message(lambda message: message.text == "later") as info:
        worker.evaluate("() => { setTimeout(() => console.warn('later'), 20); }")
    assert (info.value.type, info.value.virtual_time) == ("warning", None)


def test_error_in_a_timer_is_reported(worker: SharedWorker) -> None:
    messages: list[str] = []
    worker.on("error", lambda error: messages.append(error.message))
    worker.evaluate("() => { setTimeout(() => { note(1); throw new Error('late'); }, 20); }")
    worker.wait_for_function("log.length")
    while not worker.errors():
        worker.clock.run_for(50)
    worker.wait_for_function("true")
    assert messages == ["Error: late"]


def test_evaluate_takes_an_argument_and_awaits_timers(worker: SharedWorker) -> None:
    expression = "(value) => new Promise((resolve) => setTimeout(resolve, 20, value + 1))"
    assert worker.evaluate(expression, 41) == 42


def test_journal_attributes_requests_to_worker_and_tab(app: App, worker: SharedWorker) -> None:
    app.gateway.serve("/data", "data")
    [page] = app.context.pages
    request = "async () => { await (await fetch('/data')).text(); }"
    with app.gateway.expect_request("**/data") as info:
        worker.evaluate(request)
    by_worker = info.value
    page.evaluate(request)
    assert (by_worker.sender, by_worker.worker_id, by_worker.virtual_time) == ("worker", worker.id, None)
    journal = app.gateway.journal
    assert journal.select("**/data", worker_id=worker.id) == [by_worker]
    [by_tab] = journal.select("**/data", sender="tab")
    assert by_tab.worker_id is None


def test_init_script_runs_before_the_first_line(app: App) -> None:
    app.workers.add_init_script("self.order = ['init script'];")
    assert app.start("order.push('first line');" + ECHO).evaluate("order") == ["init script", "first line"]


def test_worker_ends_with_its_last_tab_and_restarts(app: App, worker: SharedWorker) -> None:
    app.context.pages[0].close()
    worker.wait_for_close()
    next_worker = app.start()
    assert next_worker.evaluate("1 + 1") == 2
    assert app.workers.history == [worker, next_worker]


def test_methods_of_virtual_time_are_unsupported(app: App, worker: SharedWorker) -> None:
    for clock in (app.workers.clock, worker.clock):
        with pytest.raises(UnsupportedError, match="use the virtual clock"):
            clock.fast_forward(1_000)
        with pytest.raises(UnsupportedError, match="use the virtual clock"):
            clock.set_system_time(0)
        with pytest.raises(UnsupportedError, match="use the virtual clock"):
            clock.run_next()
        with pytest.raises(UnsupportedError, match="use the virtual clock"):
            _ = clock.pending_timers


@pytest.mark.parametrize("earlier", [["shared_workers"], []], ids=["late", "early"])
def test_worker_clock_by_getfixturevalue_is_an_error(
    page: Page, request: pytest.FixtureRequest, earlier: list[str]
) -> None:
    for name in earlier:
        request.getfixturevalue(name)
    with pytest.raises(ClockError, match="comes too late: name it among the arguments"):
        request.getfixturevalue("worker_clock")
