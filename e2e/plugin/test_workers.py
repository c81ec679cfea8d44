"""Finding workers, their ends and restarts, and what tabs post to them.

What is inside a worker stands in test_evaluate.py and test_console.py, clocks in test_clock.py, workers that
cannot start in test_bad_input.py.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from playwright.sync_api import BrowserContext

from e2e.plugin.app import ECHO, App
from pytest_sharedworker.errors import AmbiguousWorkerError, WorkerClosedError, WorkerNotFoundError

NewContext = Callable[[], BrowserContext]


# --- finding --------------------------------------------------------------------------------------


def test_a_worker_is_found_by_glob_and_knows_its_url_and_name(app: App) -> None:
    worker = app.start(path="/static/echo.4f2a.worker.js", name="echo")
    assert app.workers.wait_for("**/echo.*.worker.js") is worker
    assert (worker.name, worker.url) == ("echo", app.gateway.url + "/static/echo.4f2a.worker.js")


def test_a_worker_without_a_name_can_be_looked_into(app: App) -> None:
    worker = app.start()
    assert worker.name == ""
    assert worker.evaluate("self.name") == ""


def test_two_tabs_share_a_worker_and_two_names_make_two(app: App) -> None:
    first = app.start(name="one")
    app.connect(app.open(), name="one")
    second = app.start(name="two")
    app.workers.settle_messages()
    assert app.workers.alive == [first, second]
    assert app.workers.wait_for(name="two") is second


def test_a_description_of_two_workers_is_ambiguous(app: App) -> None:
    app.start(name="one")
    app.start(name="two")
    with pytest.raises(
        AmbiguousWorkerError, match=r"2 workers match .*'one'.*'two'.*narrower pattern, a name or a context"
    ):
        app.workers.wait_for("**/worker.js")


def test_equal_workers_of_two_contexts_are_told_apart(app: App, new_context: NewContext) -> None:
    mine = app.start(name="same")
    context = new_context()
    app.workers.watch(context)
    app.connect(app.open(context), name="same")
    app.workers.settle_messages()
    [theirs] = [worker for worker in app.workers.alive if worker is not mine]
    for worker, value in ((theirs, "theirs"), (mine, "mine")):
        worker.evaluate("(value) => { self.whose = value; }", value)
    assert (mine.evaluate("whose"), theirs.evaluate("whose")) == ("mine", "theirs")
    theirs.terminate()
    assert app.workers.alive == [mine]
    assert mine.evaluate("whose") == "mine"


def test_a_worker_that_is_started_from_a_frame_is_found(app: App) -> None:
    app.gateway.mount("/worker.js", ECHO)
    app.gateway.mount("/frame.html", "<script>new SharedWorker('/worker.js').port.postMessage(1)</script>")
    app.open().evaluate("() => { document.body.innerHTML = '<iframe src=/frame.html></iframe>'; }")
    worker = app.workers.wait_for()
    worker.clock.run_for(1_000)
    assert worker.evaluate("log.length") == 1


def test_a_page_without_workers_holds_nothing_up(app: App) -> None:
    worker = app.start()
    app.open()
    blank = app.context.new_page()
    worker.clock.run_for(1_000)
    blank.close()
    worker.clock.run_for(1_000)
    assert worker.clock.now == 2_000


# --- ends and restarts ----------------------------------------------------------------------------


def test_a_worker_ends_with_its_last_tab_and_starts_again_as_another(app: App) -> None:
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


def test_a_terminated_worker_is_gone_and_a_new_one_takes_its_place(app: App) -> None:
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


def test_a_worker_that_was_looked_into_starts_again_with_its_next_tab(app: App) -> None:
    first = app.start()
    assert first.evaluate("1") == 1
    app.context.pages[0].close()
    first.wait_for_close()
    second = app.start()
    assert second is not first
    assert second.evaluate("2") == 2


def test_a_worker_that_closes_itself_at_once_is_seen_and_its_last_words_are_kept(app: App) -> None:
    app.gateway.mount("/worker.js", "console.log('in'); self.close(); console.warn('after');")
    app.connect(app.open())
    app.workers.idle()
    app.workers.settle_messages()
    [worker] = app.workers.history
    worker.wait_for_close()
    assert [message.text for message in worker.console_messages()] == ["in", "after"]


def test_a_worker_whose_tab_is_gone_at_once_does_not_hold_time_up(app: App) -> None:
    app.gateway.mount("/worker.js", ECHO)
    page = app.open()
    app.connect(page)
    page.close()
    other = app.start(path="/other.js")
    app.workers.clock.run_for(1_000)
    assert other.clock.now == 1_000


# --- delivery -------------------------------------------------------------------------------------


def test_a_worker_that_ends_at_once_is_not_waited_for_while_one_of_its_name_lives_elsewhere(
    app: App, new_context: NewContext
) -> None:
    living = app.start()
    app.gateway.mount("/worker.js", "self.close();")
    context = new_context()
    app.workers.watch(context)
    app.connect(app.open(context))
    app.workers.clock.run_for(1_000)
    assert living.clock.now == 1_000


def test_a_port_to_a_worker_that_ended_at_once_is_not_waited_for_when_the_next_one_reads(
    app: App,
) -> None:
    app.gateway.mount("/worker.js", "self.close();")
    page = app.open()
    app.connect(page)
    app.gateway.journal.wait_for("*/worker.js")
    while not app.workers.history:
        app.workers.idle()
    app.workers.history[0].wait_for_close()
    app.gateway.mount("/worker.js", ECHO)
    while not app.workers.alive:
        app.connect(page)
        with suppress(WorkerNotFoundError):  # Firefox hands a port to a worker that is just ending.
            app.workers.wait_for(timeout=1_000)
    app.workers.clock.run_for(1_000)
    assert [worker.clock.now for worker in app.workers.alive] == [1_000]


def test_a_tab_that_navigates_away_is_not_waited_for(app: App) -> None:
    worker = app.start()
    page = app.open()
    app.connect(page)
    page.evaluate("() => { for (let n = 0; n < 1000; n++) worker.port.postMessage(n); location.reload(); }")
    worker.clock.run_for(1_000)
    page.wait_for_load_state()
    worker.clock.run_for(1_000)
    assert worker.clock.now == 2_000


def test_a_port_that_its_tab_closed_is_not_waited_for_but_read_to_its_end(app: App) -> None:
    worker = app.start()
    [page] = app.context.pages
    page.evaluate("() => { worker.port.postMessage('last'); worker.port.close(); }")
    worker.clock.run_for(1_000)
    assert worker.evaluate("log") == [["last", 0]]


def test_a_worker_with_listeners_and_start_reads_the_same(app: App) -> None:
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


def test_workers_and_tabs_see_nothing_of_the_harness_on_their_ports(app: App) -> None:
    worker = app.start()
    [page] = app.context.pages
    page.evaluate("() => worker.port.postMessage('x')")
    for _ in range(3):
        worker.clock.run_for(1_000)
    assert worker.evaluate("log") == [["x", 0]]
    page.wait_for_function("messages.length > 0")
    assert page.evaluate("messages") == ["x"]
