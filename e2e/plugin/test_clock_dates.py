"""What a worker can read as the time on the virtual clock: every API of the web that has one."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from e2e.plugin.app import App, read_log
from pytest_sharedworker import SharedWorker

HOUR_MS = 3_600_000
BEGIN = datetime(2030, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


DATES = """[
    new Date(),
    new Date(Date.now()),
    new Date(Date()),
    new Date(new File([], "name").lastModified),
    new Date(new (class extends File {})([], "name").lastModified),
].map((date) => date.toISOString().slice(0, 16))"""

TEMPORAL_DATES = """[
    Temporal.Now.instant(),
    Temporal.Now.zonedDateTimeISO("UTC"),
    Temporal.Now.plainDateTimeISO("UTC"),
    `${Temporal.Now.plainDateISO("UTC")}T${Temporal.Now.plainTimeISO("UTC")}`,
].map((date) => String(date).slice(0, 16))"""

FORMATS = """() => {
    const format = new Intl.DateTimeFormat("en", { timeZone: "UTC", dateStyle: "short", timeStyle: "short" });
    const { format: detached } = format;
    return [
        format.format(), format.format(undefined), detached(), [format].map((each) => each.format())[0],
        format.formatToParts().map(({ value }) => value).join(""),
    ].map((text) => [text === format.format(Date.now()), text !== format.format(0)]).flat();
}"""

TIMES = """[
    performance.now(),
    Performance.prototype.now.call(performance),
    performance.mark("mark").startTime,
    performance.mark("mark", { detail: 1 }).startTime,
    new PerformanceMark("mark").startTime,
    performance.measure("measure").duration,
    performance.measure("measure", { start: 0, detail: 1 }).duration,
    (performance.mark("begin", { startTime: 0 }), performance.measure("measure", "begin").duration),
    performance.measure("measure", { start: 0 }).duration,
    new Event("event").timeStamp,
    new MessageEvent("message").timeStamp,
]"""


@pytest.fixture
def worker(app: App) -> SharedWorker:
    """Start a worker, set its date, and let an hour pass."""
    worker = app.start()
    worker.clock.set_system_time(BEGIN)
    worker.clock.run_for(HOUR_MS)
    return worker


def test_dates_are_virtual(worker: SharedWorker) -> None:
    assert set(worker.evaluate(DATES)) == {"2030-01-02T04:04"}
    assert all(worker.evaluate(FORMATS))


def test_temporal_is_virtual(worker: SharedWorker) -> None:
    if not worker.evaluate("'Temporal' in self"):
        pytest.skip("this browser has no Temporal")
    assert set(worker.evaluate(TEMPORAL_DATES)) == {"2030-01-02T04:04"}


def test_high_resolution_times_are_virtual(worker: SharedWorker) -> None:
    assert set(worker.evaluate(TIMES)) == {HOUR_MS}


def test_default_format_is_that_of_the_locale(worker: SharedWorker) -> None:
    assert worker.evaluate("Intl.DateTimeFormat('en', { timeZone: 'UTC' }).format()") == "1/2/2030"


def test_measures_with_given_ends_are_kept(worker: SharedWorker) -> None:
    assert worker.evaluate("""() => {
        performance.mark("a", { startTime: 5 });
        performance.mark("b", { startTime: 12 });
        const measure = (...args) => {
            const { startTime, duration } = performance.measure("measure", ...args);
            return [startTime, duration];
        };
        return [measure("a", "b"), measure(undefined, "b"), measure({ start: 5, duration: 2 }),
            measure({ end: "b", duration: 2 }), measure({ start: "a", end: "b" })];
    }""") == [[5, 7], [0, 12], [5, 2], [10, 2], [5, 7]]


WRONG_MEASURES = """() => {
    const all = [{ detail: 1 }, { duration: 5 }, { detail: null }, { start: 1, end: 2, duration: 1 }, {}];
    return all.map((options) => {
        try { performance.measure("measure", options); return "measured"; } catch ({ name }) { return name; }
    });
}"""


def test_measures_without_start_and_end_throw_as_in_browsers(app: App, worker: SharedWorker) -> None:
    names = worker.evaluate(WRONG_MEASURES)
    assert names == app.context.pages[0].evaluate(WRONG_MEASURES)
    assert names[:2] == ["TypeError"] * 2


def test_time_origin_is_the_date_of_the_start(app: App) -> None:
    app.workers.clock.set_system_time(BEGIN)
    worker = app.start()
    worker.clock.run_for(HOUR_MS)
    origin_ms = BEGIN.timestamp() * 1_000
    assert worker.evaluate("[performance.timeOrigin, performance.toJSON().timeOrigin]") == [origin_ms] * 2


def test_event_keeps_the_time_at_which_it_was_handled(worker: SharedWorker) -> None:
    worker.evaluate("""() => {
        const source = new EventTarget();
        source.addEventListener("event", (event) => {
            note(event.timeStamp);
            setTimeout(() => note(event.timeStamp), 500);
        });
        setTimeout(() => source.dispatchEvent(new Event("event")), 1000);
    }""")
    worker.clock.run_for(2_000)
    assert read_log(worker) == [[HOUR_MS + 1_000, HOUR_MS + 1_000], [HOUR_MS + 1_000, HOUR_MS + 1_500]]


def test_signal_times_out_with_the_reason_of_the_browser(app: App, worker: SharedWorker) -> None:
    abort = """() => new Promise((resolve) => {
        self.signal = AbortSignal.timeout(5);
        signal.onabort = () => resolve([signal.reason.name, signal.reason.message, signal.reason.code]);
    })"""
    native = app.context.pages[0].evaluate(abort)
    worker.evaluate("() => { self.signal = AbortSignal.timeout(5); }")
    worker.clock.run_for(5)
    reason = worker.evaluate("[signal.reason.name, signal.reason.message, signal.reason.code]")
    assert reason == native


def test_posted_tasks_wait_for_their_delay(worker: SharedWorker) -> None:
    if not worker.evaluate("'scheduler' in self"):
        pytest.skip("this browser has no scheduler")
    worker.evaluate("""() => {
        scheduler.postTask(() => { note("at once"); });
        scheduler.postTask(() => { note("late"); return "value"; }, { delay: 30_000 }).then(note);
        const aborted = new TaskController();
        const { signal } = aborted;
        scheduler.postTask(() => { note("never"); }, { delay: 1_000, signal }).catch(() => note("aborted"));
        setTimeout(() => aborted.abort(), 500);
        scheduler.postTask(() => new Promise((resolve) => setTimeout(resolve, 2_000)))
            .then(() => note("slept"));
    }""")
    worker.clock.run_for(29_999)
    assert read_log(worker) == [["at once", HOUR_MS], ["aborted", HOUR_MS + 500], ["slept", HOUR_MS + 2_000]]
    worker.clock.run_for(1)
    assert read_log(worker)[3:] == [["late", HOUR_MS + 30_000], ["value", HOUR_MS + 30_000]]


TASK_OPTIONS = """async () => {
    const outcomes = [];
    const post = (callback, options) => scheduler.postTask(callback, options)
        .then((value) => value, ({ name }) => name);
    const call = () => "called";
    for (const options of [null, undefined, { delay: null }, { delay: "0" }, { priority: "background" }]) {
        outcomes.push(await post(call, options));
    }
    for (const delay of [Infinity, NaN, -1, 1n, 2 ** 53]) {
        outcomes.push(await post(call, { delay }));
    }
    for (const options of [5, { signal: null }, { signal: AbortSignal.abort() }, { priority: "none" }]) {
        outcomes.push(await post(call, typeof options === "object" ? { ...options, delay: 50 } : options));
    }
    outcomes.push(await post(5, { delay: 50 }));
    return outcomes;
}"""


def test_options_of_posted_tasks_are_converted_as_in_browsers(app: App, worker: SharedWorker) -> None:
    if not worker.evaluate("'scheduler' in self"):
        pytest.skip("this browser has no scheduler")
    assert worker.evaluate(TASK_OPTIONS) == app.context.pages[0].evaluate(TASK_OPTIONS)
    worker.evaluate("""() => {
        scheduler.postTask(() => note(Date.now() % 1000), { delay: 2.5 });
        scheduler.postTask(() => note("text"), { delay: "20" });
    }""")
    worker.clock.run_for(100)
    assert read_log(worker) == [[2, HOUR_MS + 2], ["text", HOUR_MS + 20]]


def test_failure_of_a_posted_task_is_reported(worker: SharedWorker) -> None:
    if not worker.evaluate("'scheduler' in self"):
        pytest.skip("this browser has no scheduler")
    worker.evaluate("""() => {
        self.addEventListener("unhandledrejection", ({ reason }) => note(reason.message));
        scheduler.postTask(() => { throw new Error("at once"); });
        scheduler.postTask(() => { throw new Error("late"); }, { delay: 20 });
    }""")
    worker.clock.run_for(100)
    worker.wait_for_function("log.length === 2")
    assert [value for value, _ in read_log(worker)] == ["at once", "late"]


def test_asynchronous_wait_times_out(worker: SharedWorker) -> None:
    if not worker.evaluate("'waitAsync' in Atomics"):
        pytest.skip("this browser has no Atomics.waitAsync")
    worker.evaluate("""() => {
        const { buffer } = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
        const cells = new Int32Array(buffer);
        Atomics.waitAsync(cells, 0, 0, 60_000).value.then(note);
        Atomics.waitAsync(cells, 1, 0, 60_000).value.then(note);
        setTimeout(() => Atomics.notify(cells, 1), 10_000);
        note(Atomics.waitAsync(cells, 2, 0, 0).value);
        note(Atomics.waitAsync(cells, 3, 7, 1_000).value);
    }""")
    worker.clock.run_for(59_999)
    worker.clock.settle()
    assert [value for value, _ in read_log(worker)] == ["timed-out", "not-equal", "ok"]
    worker.clock.run_for(1)
    assert read_log(worker)[3:] == [["timed-out", HOUR_MS + 60_000]]


def test_long_timeout_of_a_signal(worker: SharedWorker) -> None:
    worker.evaluate("""() => {
        self.signal = AbortSignal.timeout(3_000_000_000);
        try { AbortSignal.timeout(-1); } catch (error) { note(error.name); }
    }""")
    worker.clock.run_for(2_999_999_999)
    assert worker.evaluate("signal.aborted") is False
    worker.clock.run_for(1)
    assert worker.evaluate("signal.aborted && signal.reason.name") == "TimeoutError"
    assert read_log(worker)[0][0] == "TypeError"
