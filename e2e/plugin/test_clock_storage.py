"""Virtual time and IndexedDB: time stops while a database opens and while a transaction runs.

test_kill.py tests which data survives a killed browser.
"""

from __future__ import annotations

import pytest

from e2e.plugin.app import App, read_log, wait_for_console
from pytest_sharedworker import Clock, ClockError, SharedWorker

SHORT_MS = 500

OPEN = """(version) => new Promise((resolve, reject) => {
    const opening = indexedDB.open("outbox", version);
    opening.onupgradeneeded = () => {
        const { result } = opening;
        result.objectStoreNames.contains("events") || result.createObjectStore("events");
    };
    opening.onsuccess = () => resolve(self.db = opening.result);
    opening.onerror = () => reject(opening.error);
})"""

TOOLS = f"""() => {{
    self.open_database = {OPEN};
    self.outcome = (transaction) => new Promise((resolve) => {{
        transaction.oncomplete = () => resolve("complete");
        transaction.onabort = () => resolve(`aborted: ${{transaction.error && transaction.error.name}}`);
    }});
    self.store = async (key, value) => {{
        const writing = db.transaction("events", "readwrite", {{ durability: "relaxed" }});
        writing.objectStore("events").add(value, key);
        return await outcome(writing);
    }};
}}"""


@pytest.fixture(autouse=True)
def tools(worker: SharedWorker) -> None:
    worker.evaluate(TOOLS)


def test_clock_waits_for_databases_and_transactions(worker: SharedWorker, clock: Clock) -> None:
    worker.evaluate("""() => {
        setTimeout(async () => {
            await open_database(1);
            for (let number = 0; number < 3; number++) note(await store(number, "event"));
            const reading = db.transaction("events");
            const request = reading.objectStore("events").getAllKeys();
            await outcome(reading);
            note(request.result);
            db.close();
            indexedDB.deleteDatabase("outbox").onsuccess = async () => {
                note("deleted");
                note((await indexedDB.databases()).length);
            };
        }, 1000);
        setTimeout(note, 1001, "after");
    }""")
    clock.run_for(2_000)
    assert read_log(worker) == [
        *[["complete", 1_000]] * 3, [[0, 1, 2], 1_000], ["deleted", 1_000], [0, 1_000], ["after", 1_001],
    ]  # fmt: skip


def test_clock_waits_for_running_transactions_before_it_moves(worker: SharedWorker, clock: Clock) -> None:
    worker.evaluate("async () => { await open_database(1); }")
    worker.evaluate("""() => {
        setTimeout(note, 1, "timer");
        (async () => { for (let number = 0; number < 100; number++) note(await store(number, "event")); })();
    }""")
    clock.run_for(1_000)
    assert read_log(worker) == [*[["complete", 0]] * 100, ["timer", 1]]


def test_failed_and_empty_transactions_do_not_stop_the_clock(worker: SharedWorker, clock: Clock) -> None:
    worker.evaluate("async () => { await open_database(1); await store('key', 'event'); }")
    worker.evaluate("""() => {
        setTimeout(async () => {
            note(await outcome(db.transaction("events")));
            note(await store("key", "again"));
            const aborted = db.transaction("events", "readwrite");
            aborted.abort();
            note(await outcome(aborted));
        }, 1000);
        setTimeout(note, 1001, "after");
    }""")
    clock.run_for(2_000)
    assert read_log(worker) == [
        ["complete", 1_000], ["aborted: ConstraintError", 1_000], ["aborted: null", 1_000], ["after", 1_001]
    ]  # fmt: skip
    assert clock.state()["pending"] == []


def test_blocked_database_does_not_stop_the_clock(app: App, worker: SharedWorker, clock: Clock) -> None:
    [page] = app.context.pages
    page.evaluate(f"async () => {{ await ({OPEN})(1); }}")
    worker.evaluate("""() => {
        open_database(2).then(({ version }) => console.log("opened", version));
        open_database(2).then(() => console.log("opened again"));
    }""")
    clock.run_for(3_600_000)
    opening = {"what": "opening the database outbox", "held": True}
    assert clock.state()["pending"] == [opening, opening]
    page.evaluate("() => { db.close(); }")
    wait_for_console(worker, "opened 2")
    wait_for_console(worker, "opened again")
    clock.run_for(1_000)
    assert clock.state()["pending"] == []


def test_endless_transaction_is_named(worker: SharedWorker, clock: Clock) -> None:
    worker.evaluate("async () => { await open_database(1); }")
    worker.evaluate("""() => {
        const store = db.transaction("events").objectStore("events");
        const again = () => { store.get("key").onsuccess = again; };
        again();
    }""")
    with pytest.raises(ClockError, match="still waits for: a transaction of the database outbox;"):
        clock.run_for(1_000, timeout=SHORT_MS)
