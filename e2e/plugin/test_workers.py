"""Find workers, end and restart them, and deliver the messages of tabs.

test_evaluate.py and test_console.py test the inside of a worker, test_clock.py clocks, test_bad_input.py
workers that cannot start.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from playwright.sync_api import BrowserContext

from e2e.plugin.app import ECHO, App, read_log, wait_for_console
from pytest_sharedworker import AmbiguousWorkerError, Latency, WorkerClosedError, WorkerNotFoundError

NewContext = Callable[[], BrowserContext]


# --- finding --------------------------------------------------------------------------------------


def test_worker_is_found_by_glob_with_url_and_name(app: App) -> None:
    worker = app.start(path="/static/echo.4f2a.worker.js", name="echo")
    assert app.workers.wait_for("**/echo.*.worker.js") is worker
    assert (worker.name, worker.url) == ("echo", app.gateway.url + "/static/echo.4f2a.worker.js")


def test_worker_without_name_is_evaluated(app: App) -> None:
    worker = app.start()
    assert worker.name == ""
    assert worker.evaluate("self.name") == ""


def test_workers_are_distinguished_by_name(app: App) -> None:
    first = app.start(name="one")
    app.connect(app.open(), name="one")
    second = app.start(name="two")
    app.workers._manager.settle_messages()
    assert app.workers.alive == [first, second]
    assert app.workers.wait_for(name="two") is second


def test_glob_of_two_workers_is_ambiguous(app: App) -> None:
    app.start(name="one")
    app.start(name="two")
    with pytest.raises(
        AmbiguousWorkerError, match=r"2 workers match .*'one'.*'two'.*narrower pattern, a name or a context"
    ):
        app.workers.wait_for("**/worker.js")


def test_equal_workers_of_two_contexts_are_distinct(app: App, new_context: NewContext) -> None:
    mine = app.start(name="same")
    context = new_context()
    app.workers.watch(context)
    app.connect(app.open(context), name="same")
    theirs = app.workers.wait_for("/worker.js", context=context)
    assert theirs is not mine
    for worker, value in ((theirs, "theirs"), (mine, "mine")):
        worker.evaluate("(value) => { self.whose = value; }", value)
    assert (mine.evaluate("whose"), theirs.evaluate("whose")) == ("mine", "theirs")
    theirs.terminate()
    assert app.workers.alive == [mine]
    assert mine.evaluate("whose") == "mine"


def test_worker_started_from_a_frame_is_found(app: App) -> None:
    app.gateway.serve("/worker.js", ECHO)
    app.gateway.serve("/frame.html", "<script>new SharedWorker('/worker.js').port.postMessage(1)</script>")
    app.open().evaluate("() => { document.body.innerHTML = '<iframe src=/frame.html></iframe>'; }")
    worker = app.workers.wait_for()
    worker.clock.run_for(1_000)
    assert worker.evaluate("log.length") == 1


def test_page_without_workers_does_not_stop_the_clock(app: App) -> None:
    worker = app.start()
    app.open()
    blank = app.context.new_page()
    worker.clock.run_for(1_000)
    blank.close()
    worker.clock.run_for(1_000)
    assert worker.clock.now == 2_000


# --- ends and restarts ----------------------------------------------------------------------------


def test_worker_ends_with_its_last_tab_and_restarts(app: App) -> None:
    first = app.start()
    second_tab = app.open()
    app.connect(second_tab)
    app.context.pages[0].close()
    app.workers.clock.run_for(1_000)
    assert not first.is_closed()
    second_tab.close()
    first.wait_for_close()
    second = app.start()
    assert app.workers.history == [first, second]
    assert app.workers.alive == [second]
    assert second.clock.now == 0


def test_terminated_worker_is_closed_and_restarts(app: App) -> None:
    first = app.start()
    first.terminate()
    assert first.is_closed()
    with pytest.raises(WorkerClosedError):
        first.evaluate("1")
    [page] = app.context.pages
    app.connect(page)
    second = app.workers.wait_for()
    assert second is not first
    assert second.evaluate("1 + 1") == 2


def test_evaluated_worker_restarts_with_its_next_tab(app: App) -> None:
    first = app.start()
    assert first.evaluate("1") == 1
    app.context.pages[0].close()
    first.wait_for_close()
    second = app.start()
    assert second is not first
    assert second.evaluate("2") == 2


def test_worker_that_closes_itself_at_once_keeps_its_messages(app: App) -> None:
    app.gateway.serve("/worker.js", "console.log('in'); self.close(); console.warn('after');")
    app.connect(app.open())
    app.workers._manager.idle()
    app.workers._manager.settle_messages()
    [worker] = app.workers.history
    worker.wait_for_close()
    # The gateway may learn of the end before the rest of the task.
    wait_for_console(worker, "after")
    assert [message.text for message in worker.console_messages()] == ["in", "after"]


def test_tab_closed_at_once_does_not_stop_the_clock(app: App) -> None:
    app.gateway.serve("/worker.js", ECHO)
    page = app.open()
    app.connect(page)
    page.close()
    other = app.start(path="/other.js")
    app.workers.clock.run_for(1_000)
    assert other.clock.now == 1_000


def test_worker_without_tabs_ends_with_its_context(app: App, new_context: NewContext) -> None:
    context = new_context()
    app.workers.watch(context)
    app.gateway.serve("/worker.js", ECHO)
    page = app.open(context)
    app.connect(page, extendedLifetime=True)
    worker = app.workers.wait_for()
    app.workers.clock.settle()
    page.close()
    app.workers.clock.run_for(1_000)
    context.close()  # As a test's end does: no worker of it runs on beside the next tests.
    worker.wait_for_close()


# --- delivery -------------------------------------------------------------------------------------


def test_ended_worker_of_another_context_does_not_stop_the_clock(app: App, new_context: NewContext) -> None:
    living = app.start()
    app.gateway.serve("/worker.js", "self.close();")
    context = new_context()
    app.workers.watch(context)
    app.connect(app.open(context))
    app.workers.clock.run_for(1_000)
    assert living.clock.now == 1_000


def test_port_to_an_ended_worker_does_not_stop_the_clock(app: App) -> None:
    app.gateway.serve("/worker.js", "self.close();")
    page = app.open()
    app.connect(page)
    app.gateway.journal.wait_for("**/worker.js")
    while not app.workers.history:
        app.workers._manager.idle()
    app.workers.history[0].wait_for_close()
    app.gateway.serve("/worker.js", ECHO)
    app.connect(page)
    while not app.workers.alive:
        with suppress(WorkerNotFoundError):
            app.workers.wait_for(timeout=1_000)
            break
        # Firefox has connected the port to the ending worker, which then stays until the page goes.
        page.close()
        page = app.open()
        app.connect(page)
    app.workers.clock.run_for(1_000)
    assert [worker.clock.now for worker in app.workers.alive] == [1_000]


def test_navigating_tab_does_not_stop_the_clock(app: App) -> None:
    worker = app.start()
    page = app.open()
    app.connect(page)
    page.evaluate("() => { for (let n = 0; n < 1000; n++) worker.port.postMessage(n); location.reload(); }")
    worker.clock.run_for(1_000)
    page.wait_for_load_state()
    worker.clock.run_for(1_000)
    assert worker.clock.now == 2_000


def test_messages_on_a_closed_port_are_read(app: App) -> None:
    worker = app.start()
    [page] = app.context.pages
    page.evaluate("() => { worker.port.postMessage('last'); worker.port.close(); }")
    worker.clock.run_for(1_000)
    assert worker.evaluate("log") == [["last", 0]]


def test_clock_waits_for_the_worker_of_a_closed_port(app: App) -> None:
    app.gateway.serve("/worker.js", ECHO)
    page = app.open()
    with app.gateway.add_toxic(Latency(300), on="/worker.js"):
        page.evaluate(
            """() => {
                const { port } = new SharedWorker("/worker.js");
                port.postMessage("last");
                port.close();
            }"""
        )
        app.workers.clock.run_for(1_000)
    [worker] = app.workers.alive
    assert (read_log(worker), worker.clock.now) == ([["last", 0]], 1_000)


def test_worker_with_event_listeners_reads_messages(app: App) -> None:
    worker = app.start("""
        self.log = [];
        addEventListener("connect", ({ ports: [port] }) => {
            port.addEventListener("message", ({ data }) => log.push(data));
            port.start();
        });
    """)
    app.context.pages[0].evaluate("() => worker.port.postMessage('x')")
    worker.clock.run_for(1_000)
    assert worker.evaluate("log") == ["x"]


def test_ports_carry_no_plugin_messages(app: App) -> None:
    worker = app.start()
    [page] = app.context.pages
    page.evaluate("() => worker.port.postMessage('x')")
    for _ in range(3):
        worker.clock.run_for(1_000)
    assert worker.evaluate("log") == [["x", 0]]
    page.wait_for_function("messages.length > 0")
    assert page.evaluate("messages") == ["x"]


def test_terminate_of_an_ended_worker_does_nothing(app: App) -> None:
    worker = app.start()
    worker.terminate()
    worker.terminate()
    assert worker.is_closed()
