"""A worker's virtual clock: timers and dates.

The other test_clock files test what the clock waits for and how it fails; test_real_clock.py and
unit/pytest_sharedworker/clock test real time.
"""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from e2e.plugin.app import App, read_log
from pytest_sharedworker import Clock, ClockError, SharedWorker, Timer

# --- timers ---------------------------------------------------------------------------------------


def test_timers_fire_when_due(worker: SharedWorker, clock: Clock) -> None:
    worker.evaluate("() => { setTimeout(note, 30000, 'a'); }")
    clock.run_for(29_999)
    assert read_log(worker) == []
    clock.run_for(1)
    assert read_log(worker) == [["a", 30_000]]


def test_timers_fire_in_order_of_due_time_and_creation(worker: SharedWorker, clock: Clock) -> None:
    worker.evaluate("""() => {
        setTimeout(note, 20, "late"); setTimeout(note, 10, "first"); setTimeout(note, 10, "second");
        setInterval(note, 10, "interval");
    }""")
    clock.run_for(20)
    assert read_log(worker) == [
        ["first", 10], ["second", 10], ["interval", 10], ["late", 20], ["interval", 20]
    ]  # fmt: skip


def test_cleared_timers_do_not_fire(worker: SharedWorker, clock: Clock) -> None:
    worker.evaluate("""() => {
        const never = setTimeout(note, 10, "never");
        setTimeout(() => clearTimeout(never), 5);
        const twice = setInterval(() => { note("tick"); if (log.length === 2) clearInterval(twice); }, 10);
        clearTimeout(undefined); clearInterval(12345);
    }""")
    clock.run_for(10_000)
    assert read_log(worker) == [["tick", 10], ["tick", 20]]
    assert clock.pending_timers == []


def test_ids_of_timers_are_converted_as_in_browsers(worker: SharedWorker, clock: Clock) -> None:
    worker.evaluate("""() => {
        clearTimeout(setTimeout(note, 10, "fraction") + 0.5);
        clearTimeout(String(setTimeout(note, 10, "text")));
        clearTimeout(2 ** 32 + setTimeout(note, 10, "long"));
        for (const id of [1n, Symbol()]) {
            try { clearTimeout(id); } catch ({ name }) { note(name); }
        }
    }""")
    clock.run_for(100)
    assert read_log(worker) == [["TypeError", 0], ["TypeError", 0]]


def test_clearing_all_timers_keeps_the_waits_of_other_functions(worker: SharedWorker, clock: Clock) -> None:
    worker.evaluate("""() => {
        setTimeout(note, 10, "timer");
        AbortSignal.timeout(100).onabort = () => note("signal");
        if (self.scheduler) scheduler.postTask(() => note("task"), { delay: 100 });
        for (let id = setTimeout(() => {}); id >= -1000; id--) clearTimeout(id);
    }""")
    clock.run_for(200)
    expected = ["signal", "task"] if worker.evaluate("'scheduler' in self") else ["signal"]
    assert read_log(worker) == [[each, 100] for each in expected]


def test_loop_of_zero_delays_ends(worker: SharedWorker, clock: Clock) -> None:
    worker.evaluate("() => { const loop = () => { note(0); setTimeout(loop, 0); }; setTimeout(loop, 0); }")
    clock.run_for(20)
    times = [time for _, time in read_log(worker)]
    assert times == [0, 0, 0, 0, 0, 4, 8, 12, 16, 20]


def test_interval_of_zero_ends(worker: SharedWorker, clock: Clock) -> None:
    worker.evaluate("() => { setInterval(note, 0, 'x'); }")
    clock.run_for(1_000)
    assert 200 <= len(read_log(worker)) <= 300


def test_delays_are_converted_as_in_browsers(worker: SharedWorker, clock: Clock) -> None:
    due_ms = {"-1": 0, "undefined": 0, "NaN": 0, "1.9": 1, "'5'": 5}
    worker.evaluate("() => {" + "".join(f'setTimeout(note, {each}, "{each}");' for each in due_ms) + "}")
    clock.run_for(1_000)
    assert read_log(worker) == [[delay, time] for delay, time in due_ms.items()]


def test_callback_can_be_a_string(worker: SharedWorker, clock: Clock) -> None:
    worker.evaluate("() => { setTimeout('note(\"text\")', 10); }")
    clock.run_for(10)
    assert read_log(worker) == [["text", 10]]


def test_text_of_a_timer_is_a_script(worker: SharedWorker, clock: Clock) -> None:
    worker.evaluate("""() => {
        const timer = setInterval("let five = 5; clearInterval(text)", 10);
        self.text = timer;
        setTimeout(() => note("function"), 10);
        setTimeout("note(five); setTimeout('note(six)', 5); const six = 6", 10);
        const nested = "Promise.resolve().then(() => { setTimeout(note, 1, 'nested'); });";
        setTimeout(`${nested} throw new Error("thrown")`, 20);
    }""")
    clock.run_for(1_000)
    assert read_log(worker) == [["function", 10], [5, 10], [6, 15], ["nested", 21]]
    assert [error.message for error in worker.errors()] == ["Error: thrown"]


def test_text_of_a_timer_may_be_trusted(app: App) -> None:
    script = """
        onconnect = ({ ports: [port] }) => {
            const policy = self.trustedTypes?.createPolicy("text", { createScript: (text) => text });
            self.post = (value) => port.postMessage([value, performance.now()]);
            setTimeout(policy ? policy.createScript("post('trusted')") : "post('trusted')", 5);
            try { setTimeout("post('text')", 6); } catch ({ name }) { post(name); }
        };
    """
    headers = {"Content-Security-Policy": "require-trusted-types-for 'script'"}
    app.gateway.serve("/trusted.js", script, headers=headers)
    page = app.open()
    app.connect(page, "/trusted.js")
    app.workers.wait_for("/trusted.js").clock.run_for(10)
    page.wait_for_function("messages.length >= 2")
    has_types = page.evaluate("'trustedTypes' in self")
    expected = [["TypeError", 0], ["trusted", 5]] if has_types else [["trusted", 5], ["text", 6]]
    assert page.evaluate("messages") == expected


THROWS = """
self.seen = [];
self.onerror = (message, _, line, column, error) => { seen.push([message, line, column, String(error)]); };
onconnect = () => {};
setTimeout(() => { throw "text"; }, 1);
setTimeout(() => { throw undefined; }, 2);
setTimeout(() => { throw new DOMException("aborted", "AbortError"); }, 3);
setTimeout(() => { throw new RangeError("range"); }, 4);
setTimeout(() => { null.member; }, 5);
"""
SEEN = "seen.map(([message, line, , text]) => [message, line, text])"


def test_exceptions_are_reported_as_in_real_time(app: App) -> None:
    worker = app.start(THROWS)
    worker.clock.run_for(10)
    native = app.context.pages[0].evaluate(
        """async (script) => {
            const source = `${script}; setTimeout(() => postMessage(seen), 50);`;
            const worker = new Worker(URL.createObjectURL(new Blob([source])));
            return await new Promise((resolve) => { worker.onmessage = ({ data }) => resolve(data); });
        }""",
        THROWS,
    )
    assert worker.evaluate(SEEN) == [[message, line, text] for message, line, _, text in native]
    assert [line for _, line, _ in worker.evaluate(SEEN)] == [5, 6, 7, 8, 9]


def test_exception_in_a_callback_does_not_stop_other_timers(worker: SharedWorker, clock: Clock) -> None:
    worker.evaluate(
        "() => { setTimeout(() => { throw new Error('failed'); }, 10); setTimeout(note, 10, 'x'); }"
    )
    clock.run_for(1_000)
    assert read_log(worker) == [["x", 10]]
    assert ["failed" in error.message for error in worker.errors()] == [True]


def test_promises_of_a_callback_settle_before_the_next_timer(worker: SharedWorker, clock: Clock) -> None:
    worker.evaluate("""() => {
        setTimeout(async () => { await null; await null; note("promise"); }, 10);
        setTimeout(note, 11, "timer");
    }""")
    clock.run_for(1_000)
    assert read_log(worker) == [["promise", 10], ["timer", 11]]


def test_run_next_fires_the_next_timer_only(worker: SharedWorker, clock: Clock) -> None:
    worker.evaluate("() => { setTimeout(note, 1500, 'a'); setTimeout(note, 2500, 'b'); }")
    assert clock.run_next()
    assert (read_log(worker), clock.now) == ([["a", 1500]], 1_500)
    assert clock.run_next()
    assert not clock.run_next()
    assert clock.now == 2_500


def test_pending_timers_are_listed_in_order(worker: SharedWorker, clock: Clock) -> None:
    worker.evaluate("() => { setInterval(note, 2000); setTimeout(note, 500); }")
    assert clock.pending_timers == [Timer(500, None), Timer(2_000, 2_000)]
    clock.run_for(1_000)
    assert clock.pending_timers == [Timer(2_000, 2_000)]


def test_timeout_of_an_abort_signal_is_virtual(worker: SharedWorker, clock: Clock) -> None:
    worker.evaluate("""() => {
        AbortSignal.timeout(5000).addEventListener("abort", ({ target }) => note(target.reason.name));
    }""")
    clock.run_for(4_999)
    assert read_log(worker) == []
    clock.run_for(1)
    assert read_log(worker) == [["TimeoutError", 5_000]]


# --- dates ----------------------------------------------------------------------------------------


def test_all_forms_of_dates_follow_the_clock(worker: SharedWorker, clock: Clock) -> None:
    forms = """() => {
        class Own extends Date {}
        return [
            Date.now(), new Date().getTime(), +new Date(), new Own().getTime(), new Date(Date()).getTime(),
            performance.timeOrigin + performance.now(),
        ];
    }"""
    before = worker.evaluate(forms)
    clock.run_for(3_600_000)
    after = worker.evaluate(forms)
    assert [b - a for a, b in zip(before, after, strict=True)] == [3_600_000] * 6
    assert len({*before[:4], before[5]}) == 1


def test_explicit_dates_are_unchanged(worker: SharedWorker) -> None:
    assert worker.evaluate("""() => [
        new Date(7).getTime(), new Date(1970, 0, 1, 0, 0, 1) - new Date(1970, 0, 1), Date.UTC(1970, 0, 1),
        Date.parse("1970-01-01T00:00:01Z"), isNaN(new Date(undefined)), new Date() instanceof Date,
        new Date().constructor === Date, Date.length, Date.name, typeof Date(),
    ]""") == [7, 1_000, 0, 1_000, True, True, True, 7, "Date", "string"]


def test_subclass_of_date_keeps_its_methods(worker: SharedWorker) -> None:
    assert worker.evaluate("""() => {
        class Own extends Date { double() { return this.getTime() * 2; } }
        return [new Own(21).double(), new Own() instanceof Own, new Own() instanceof Date];
    }""") == [42, True, True]


def test_date_starts_at_the_present_and_can_be_set(worker: SharedWorker, clock: Clock) -> None:
    assert abs((clock.date - datetime.now(timezone.utc)).total_seconds()) < 60
    worker.evaluate("() => { setTimeout(() => note(new Date().toISOString()), 1000); }")
    clock.set_system_time(datetime(2038, 1, 19, 3, 14, 7, tzinfo=timezone.utc))
    clock.run_for(1_000)
    assert read_log(worker) == [["2038-01-19T03:14:08.000Z", 1_000]]
    assert clock.date == datetime(2038, 1, 19, 3, 14, 8, tzinfo=timezone.utc)


def test_set_system_time_accepts_the_types_of_playwright(clock: Clock) -> None:
    for time in (datetime(2030, 1, 1), datetime(2030, 1, 1).timestamp() * 1000, "2030-01-01T00:00:00"):
        clock.set_system_time(0)
        clock.set_system_time(time)
        assert clock.date == datetime(2030, 1, 1).astimezone(timezone.utc)


def test_invalid_system_time_is_an_error(clock: Clock) -> None:
    with pytest.raises(ClockError, match="is no date"):
        clock.set_system_time("tomorrow")


def test_time_waits_for_a_worker_that_has_not_handled_connect(app: App) -> None:
    """The page posts nothing; the worker's script goes on for a while when the worker is known already."""
    app.gateway.serve(
        "/slow.js",
        "self.log = []; { let sum = 0; for (let turn = 0; turn < 1e8; turn++) sum += turn; self.sum = sum; }"
        "onconnect = () => { setTimeout(() => log.push(performance.now()), 5); };",
    )
    app.connect(app.open(), "/slow.js")
    worker = app.workers.wait_for("/slow.js")
    worker.clock.run_for(10)
    assert worker.evaluate("log") == [5]
