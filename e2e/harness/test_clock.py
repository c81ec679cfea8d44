"""A worker's virtual clock: timers, dates, requests, and every wrong use of it.

Real time stands in unit/pytest_sharedworker/test_clock.py, the tabs' own clocks elsewhere.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import datetime, timezone

import pytest
from aiohttp import web

from e2e.harness.stage import ECHO, Stage, log
from pytest_sharedworker.clock import Timer, VirtualClock
from pytest_sharedworker.exceptions import ClockError, WorkerGone
from pytest_sharedworker.loop_thread import LoopThread
from pytest_sharedworker.shared_worker import SharedWorker

SHORT_SECONDS = 0.5


# --- timers ---------------------------------------------------------------------------------------


def test_timers_fire_when_due_and_not_before(worker: SharedWorker, clock: VirtualClock) -> None:
    worker.evaluate("() => { setTimeout(note, 30000, 'a'); }")
    clock.advance(29.999)
    assert log(worker) == []
    clock.advance(0.001)
    assert log(worker) == [["a", 30_000]]


def test_timers_fire_in_order_and_equal_ones_as_they_were_made(
    worker: SharedWorker, clock: VirtualClock
) -> None:
    worker.evaluate("""() => {
        setTimeout(note, 20, "late"); setTimeout(note, 10, "first"); setTimeout(note, 10, "second");
        setInterval(note, 10, "interval");
    }""")
    clock.advance(0.02)
    assert log(worker) == [
        ["first", 10], ["second", 10], ["interval", 10], ["late", 20], ["interval", 20]
    ]  # fmt: skip


def test_a_cleared_timer_never_fires_also_when_cleared_inside_a_callback(
    worker: SharedWorker, clock: VirtualClock
) -> None:
    worker.evaluate("""() => {
        const never = setTimeout(note, 10, "never");
        setTimeout(() => clearTimeout(never), 5);
        const twice = setInterval(() => { note("tick"); if (log.length === 2) clearInterval(twice); }, 10);
        clearTimeout(undefined); clearInterval(12345);
    }""")
    clock.advance(10)
    assert log(worker) == [["tick", 10], ["tick", 20]]
    assert clock.pending_timers == []


def test_a_loop_of_zero_delays_comes_to_an_end(worker: SharedWorker, clock: VirtualClock) -> None:
    worker.evaluate("() => { const loop = () => { note(0); setTimeout(loop, 0); }; setTimeout(loop, 0); }")
    clock.advance(0.02)
    times = [time for _, time in log(worker)]
    assert times == [0, 0, 0, 0, 0, 4, 8, 12, 16, 20]


def test_an_interval_of_zero_comes_to_an_end(worker: SharedWorker, clock: VirtualClock) -> None:
    worker.evaluate("() => { setInterval(note, 0, 'x'); }")
    clock.advance(1)
    assert 200 <= len(log(worker)) <= 300


@pytest.mark.parametrize(
    ("delay", "due_ms"), [("'5'", 5), ("-1", 0), ("undefined", 0), ("NaN", 0), ("1.9", 1)]
)
def test_a_delay_is_read_as_browsers_read_it(
    worker: SharedWorker, clock: VirtualClock, delay: str, due_ms: int
) -> None:
    worker.evaluate(f"() => {{ setTimeout(note, {delay}, 'x'); }}")
    clock.advance(1)
    assert log(worker) == [["x", due_ms]]


def test_a_callback_may_be_text(worker: SharedWorker, clock: VirtualClock) -> None:
    worker.evaluate("() => { setTimeout('note(\"text\")', 10); }")
    clock.advance(0.01)
    assert log(worker) == [["text", 10]]


def test_an_exception_in_a_callback_is_reported_and_stops_nothing(
    worker: SharedWorker, clock: VirtualClock
) -> None:
    worker.evaluate(
        "() => { setTimeout(() => { throw new Error('broken'); }, 10); setTimeout(note, 10, 'x'); }"
    )
    clock.advance(1)
    assert log(worker) == [["x", 10]]
    assert ["broken" in error.message for error in worker.errors] == [True]


def test_promises_of_a_callback_run_before_the_next_timer(worker: SharedWorker, clock: VirtualClock) -> None:
    worker.evaluate("""() => {
        setTimeout(async () => { await null; await null; note("promise"); }, 10);
        setTimeout(note, 11, "timer");
    }""")
    clock.advance(1)
    assert log(worker) == [["promise", 10], ["timer", 11]]


def test_run_next_moves_to_the_next_timer_alone(worker: SharedWorker, clock: VirtualClock) -> None:
    worker.evaluate("() => { setTimeout(note, 1500, 'a'); setTimeout(note, 2500, 'b'); }")
    assert clock.run_next()
    assert (log(worker), clock.now) == ([["a", 1500]], 1.5)
    assert clock.run_next()
    assert not clock.run_next()
    assert clock.now == 2.5


def test_pending_timers_are_listed_in_order(worker: SharedWorker, clock: VirtualClock) -> None:
    worker.evaluate("() => { setInterval(note, 2000); setTimeout(note, 500); }")
    assert clock.pending_timers == [Timer(0.5, None), Timer(2.0, 2.0)]
    clock.advance(1)
    assert clock.pending_timers == [Timer(2.0, 2.0)]


def test_a_signals_timeout_is_virtual(worker: SharedWorker, clock: VirtualClock) -> None:
    worker.evaluate("""() => {
        AbortSignal.timeout(5000).addEventListener("abort", ({ target }) => note(target.reason.name));
    }""")
    clock.advance(4.999)
    assert log(worker) == []
    clock.advance(0.001)
    assert log(worker) == [["TimeoutError", 5_000]]


# --- dates ----------------------------------------------------------------------------------------


def test_dates_move_with_the_clock_in_every_form(worker: SharedWorker, clock: VirtualClock) -> None:
    forms = """() => {
        class Own extends Date {}
        return [
            Date.now(), new Date().getTime(), +new Date(), new Own().getTime(), new Date(Date()).getTime(),
            performance.timeOrigin + performance.now(),
        ];
    }"""
    before = worker.evaluate(forms)
    clock.advance(3_600)
    after = worker.evaluate(forms)
    assert [b - a for a, b in zip(before, after, strict=True)] == [3_600_000] * 6
    assert len({*before[:4], before[5]}) == 1


def test_a_date_that_is_given_is_not_moved(worker: SharedWorker) -> None:
    assert worker.evaluate("""() => [
        new Date(7).getTime(), new Date(1970, 0, 1, 0, 0, 1) - new Date(1970, 0, 1), Date.UTC(1970, 0, 1),
        Date.parse("1970-01-01T00:00:01Z"), new Date(undefined).getTime(), new Date() instanceof Date,
        new Date().constructor === Date, Date.length, Date.name, typeof Date(),
    ]""") == [7, 1_000, 0, 1_000, None, True, True, 7, "Date", "string"]


def test_a_subclass_keeps_its_methods(worker: SharedWorker) -> None:
    assert worker.evaluate("""() => {
        class Own extends Date { double() { return this.getTime() * 2; } }
        return [new Own(21).double(), new Own() instanceof Own, new Own() instanceof Date];
    }""") == [42, True, True]


def test_the_clock_starts_at_the_present_and_can_be_set(worker: SharedWorker, clock: VirtualClock) -> None:
    assert abs((clock.date - datetime.now(timezone.utc)).total_seconds()) < 60
    worker.evaluate("() => { setTimeout(() => note(new Date().toISOString()), 1000); }")
    clock.set_date(datetime(2038, 1, 19, 3, 14, 7, tzinfo=timezone.utc))
    clock.advance(1)
    assert log(worker) == [["2038-01-19T03:14:08.000Z", 1_000]]
    assert clock.date == datetime(2038, 1, 19, 3, 14, 8, tzinfo=timezone.utc)


def test_a_date_without_a_time_zone_is_refused(clock: VirtualClock) -> None:
    with pytest.raises(ClockError, match="give a date with a time zone"):
        clock.set_date(datetime(2030, 1, 1))


# --- messages and requests ------------------------------------------------------------------------


def test_messages_posted_before_are_read_before_time_moves(stage: Stage, worker: SharedWorker) -> None:
    [page] = stage.context.pages
    page.evaluate("() => { for (let number = 0; number < 100; number++) worker.port.postMessage(number); }")
    worker.clock.advance(1)
    assert log(worker) == [[number, 0] for number in range(100)]


REQUESTS = {
    "fetch": "await (await fetch('/data.json')).json()",
    "XMLHttpRequest": """await new Promise((resolve) => {
        const request = new XMLHttpRequest();
        request.onload = () => resolve(JSON.parse(request.responseText));
        request.open("GET", "/data.json");
        request.send();
    })""",
}


@pytest.mark.parametrize("request_of", REQUESTS.values(), ids=REQUESTS.keys())
def test_time_waits_for_a_chain_of_requests(
    stage: Stage, worker: SharedWorker, clock: VirtualClock, request_of: str
) -> None:
    stage.gateway.mount("/data.json", '{"step": 1}')
    worker.evaluate(f"""() => {{
        setTimeout(async () => {{
            for (let step = 0; step < 3; step++) note(({request_of}).step);
        }}, 1000);
        setTimeout(note, 1001, "after");
    }}""")
    clock.advance(2)
    assert log(worker) == [[1, 1_000]] * 3 + [["after", 1_001]]
    exchanges = stage.gateway.journal.select("/data.json")
    assert [exchange.virtual_seconds for exchange in exchanges] == [1.0] * 3
    assert {exchange.worker_id for exchange in exchanges} == {worker.id}


@pytest.mark.parametrize("request_of", REQUESTS.values(), ids=REQUESTS.keys())
def test_latency_is_exact_in_virtual_time(
    stage: Stage, worker: SharedWorker, clock: VirtualClock, request_of: str
) -> None:
    stage.gateway.mount("/data.json", '{"step": 1}')
    stage.gateway.toxic("latency", on="/data.json", latency_ms=5_000)
    worker.evaluate(f"() => {{ setTimeout(async () => note(({request_of}).step), 1000); }}")
    clock.advance(5.999)
    assert log(worker) == []
    clock.advance(0.001)
    assert log(worker) == [[1, 6_000]]


def test_a_held_request_that_the_worker_gives_up_ends(
    stage: Stage, worker: SharedWorker, clock: VirtualClock
) -> None:
    stage.gateway.mount("/data.json", "{}")
    stage.gateway.toxic("timeout", on="/data.json")
    worker.evaluate("""() => {
        fetch("/data.json", { signal: AbortSignal.timeout(3000) }).catch((error) => note(error.name));
    }""")
    clock.advance(10)
    # Firefox tells every abort as an AbortError.
    assert log(worker) in ([["TimeoutError", 3_000]], [["AbortError", 3_000]])
    [exchange] = stage.gateway.journal.wait_for("/data.json")
    assert exchange.status is None


def test_the_clocks_of_several_workers_move_together(stage: Stage, worker: SharedWorker) -> None:
    other = stage.start(ECHO, "/other.js")
    for each in (worker, other):
        each.evaluate("() => { setInterval(note, 1000, 'tick'); }")
    stage.workers.advance(3)
    assert log(worker) == log(other) == [["tick", 1_000], ["tick", 2_000], ["tick", 3_000]]


# --- wrong use, and clocks that cannot move -------------------------------------------------------


@pytest.mark.parametrize("seconds", [-1, 0.0005, float("nan"), float("inf")])
def test_a_time_that_cannot_pass_is_refused(stage: Stage, clock: VirtualClock, seconds: float) -> None:
    for advance in (clock.advance, stage.workers.advance):
        with pytest.raises(ClockError, match="give whole milliseconds"):
            advance(seconds)
    assert clock.now == 0


@pytest.fixture
def silent_server(sharedworker_loop: LoopThread) -> Iterator[str]:
    """A server that takes requests and answers none."""

    async def start() -> web.AppRunner:
        async def never(request: web.Request) -> web.Response:
            await asyncio.Event().wait()
            raise AssertionError("unreachable")

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", never)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    runner = sharedworker_loop.run(start())
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    sharedworker_loop.run(runner.cleanup())


@pytest.fixture
def stuck(stage: Stage, worker: SharedWorker, silent_server: str) -> SharedWorker:
    """A worker with a request on its way that nobody will answer."""
    stage.gateway.upstream.origin = silent_server
    worker.evaluate("() => { setTimeout(() => fetch('/hangs'), 1000); }")
    return worker


def test_a_request_that_never_settles_is_named(stage: Stage, stuck: SharedWorker) -> None:
    clock = stuck.clock
    assert isinstance(clock, VirtualClock)
    with pytest.raises(
        ClockError, match=r"within 0\.5 s: .*still waits for: GET /hangs; does the server answer"
    ):
        clock.advance(2, timeout_seconds=SHORT_SECONDS)


def test_it_is_named_also_where_all_clocks_move_together(stage: Stage, stuck: SharedWorker) -> None:
    with pytest.raises(ClockError, match="still waits for: GET /hangs"):
        stage.workers.advance(2, timeout_seconds=SHORT_SECONDS)


def test_timers_that_keep_firing_are_told(worker: SharedWorker, clock: VirtualClock) -> None:
    worker.evaluate(
        "() => { const loop = () => { for (let to = 0; to < 1e6; to++); setTimeout(loop, 1); }; loop(); }"
    )
    with pytest.raises(ClockError, match="keep firing, it is at"):
        clock.advance(1e6, timeout_seconds=SHORT_SECONDS)


def test_a_second_advance_while_one_runs_is_refused(stage: Stage, stuck: SharedWorker) -> None:
    clock = stuck.clock
    assert isinstance(clock, VirtualClock)
    refused: list[str] = []

    def second() -> None:
        stage.gateway.journal.wait_for("/hangs", ended=False)
        for advance in (clock.advance, stage.workers.advance):
            try:
                advance(1)
            except ClockError as error:
                refused.append(str(error))

    thread = threading.Thread(target=second)
    thread.start()
    with pytest.raises(ClockError, match="still waits for"):
        clock.advance(2, timeout_seconds=3 * SHORT_SECONDS)
    thread.join(10)
    assert len(refused) == 2
    assert all("already moving: let the other advance return first" in text for text in refused)


def test_a_clock_that_did_not_arrive_stays_on_its_way(stage: Stage, stuck: SharedWorker) -> None:
    with pytest.raises(ClockError, match="still waits for"):
        stage.workers.advance(2, timeout_seconds=SHORT_SECONDS)
    with pytest.raises(ClockError, match="already moving"):
        stage.workers.advance(1)


def test_a_worker_that_closes_itself_has_no_time_any_more(
    stage: Stage, worker: SharedWorker, clock: VirtualClock
) -> None:
    worker.evaluate("() => { setTimeout(() => self.close(), 1000); }")
    with pytest.raises(WorkerGone, match=r"worker .*ended"):
        clock.advance(2)
    with pytest.raises(WorkerGone, match="has ended; 'advance' cannot reach it"):
        clock.advance(1)
    stage.workers.advance(1)
