"""The outbox when the browser takes the database away, refuses to write, or another build shares it.

Real databases, real quota, real deletion; only the worker's time is virtual.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Page

from e2e.client.app import (
    OTHER_BUILD,
    App,
    drain,
    log,
    open_devtools,
    read_outbox,
    replace_worker,
    wait_for_outbox,
    wait_for_state,
)
from e2e.client.page import get_components
from pytest_sharedworker import HttpStatus
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.workers.shared_workers import SharedWorkers

pytestmark = pytest.mark.usefixtures("worker_clock")

OUTBOX = "telemetry-outbox {origin}/ajax-api/3.0/mlflow/ui-telemetry"

# Connects like a tab of the reference, and keeps what the worker posts in `messages`.
CONNECT = """() => new Promise((resolve) => {
  const { port } = new SharedWorker("/build-1/telemetry.worker.js", { type: "module", name: "raw" });
  self.port = port;
  self.messages = [];
  port.onmessage = ({ data }) => {
    messages.push(data);
    if (data.type === "READY") resolve();
  };
})"""
LOG = """(seq) => port.postMessage({ type: "LOG_EVENT", payload: {
  installation_id: "raw", event_name: "ui_event", timestamp_ns: 1, params: { componentId: `raw/${seq}` },
  tab_id: "raw", seq,
} })"""
# An older build has the store of the records only; a later one may have others.
CREATE_DATABASE = """([name, version, stores]) => new Promise((resolve, reject) => {
  const request = indexedDB.open(name, version);
  request.onupgradeneeded = () => {
    const create = (store) => request.result.createObjectStore(store, { keyPath: "key" });
    if (!stores.length) create("records");
    for (const store of stores) create(store).put({ key: "theirs" });
  };
  request.onsuccess = () => { request.result.close(); resolve(); };
  request.onerror = () => reject(request.error);
})"""
READ_STORES = """(name) => new Promise((resolve) => {
  const request = indexedDB.open(name);
  request.onsuccess = async () => {
    const database = request.result;
    const contents = {};
    for (const store of database.objectStoreNames) {
      const all = database.transaction(store).objectStore(store).getAll();
      await new Promise((done) => { all.onsuccess = done; });
      contents[store] = all.result.length;
    }
    database.close();
    resolve(contents);
  };
})"""
PUT_RECORD = """(name) => new Promise((resolve) => {
  indexedDB.open(name).onsuccess = ({ target: { result } }) => {
    const transaction = result.transaction("records", "readwrite");
    transaction.objectStore("records").put(RECORD);
    transaction.oncomplete = () => { result.close(); resolve(); };
  };
})"""
DELETE_ALL = """async () => {
  for (const { name } of await indexedDB.databases()) {
    await new Promise((resolve) => { indexedDB.deleteDatabase(name).onsuccess = resolve; });
  }
}"""


def clear_site_data(page: Page, origin: str) -> None:
    with open_devtools(page) as devtools:
        devtools.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "indexeddb"})


@contextmanager
def no_quota(page: Page, origin: str) -> Iterator[None]:
    """Take the origin's quota away, as on a full disk."""
    with open_devtools(page) as devtools:
        devtools.send("Storage.overrideQuotaForOrigin", {"origin": origin, "quotaSize": 1})
        yield
        devtools.send("Storage.overrideQuotaForOrigin", {"origin": origin})


def get_stored_messages(page: Page) -> list[Any]:
    messages: list[Any] = page.evaluate("() => messages.filter(({ type }) => type === 'STORED')")
    return messages


@pytest.mark.usefixtures("needs_devtools")
@pytest.mark.parametrize("times", [1, 3])
def test_cleared_site_data_is_written_again(
    app: App, gateway: Gateway, shared_workers: SharedWorkers, times: int
) -> None:
    page = app.open()
    expected = []
    for number in range(times):
        log(page, f"before-{number}")
        shared_workers.clock.settle()
        clear_site_data(page, gateway.url)
        log(page, f"after-{number}")
        expected += [f"before-{number}", f"after-{number}"]
        wait_for_outbox(page, shared_workers.clock, *expected)
    replace_worker(shared_workers)
    wait_for_state(page, "worker")
    drain(shared_workers.clock)
    assert get_components(gateway) == sorted(expected)


@pytest.mark.parametrize("delete", ["databases", "site data"])
def test_database_deleted_under_a_transaction_is_written_again(
    app: App, gateway: Gateway, shared_workers: SharedWorkers, delete: str, request: pytest.FixtureRequest
) -> None:
    if delete == "site data":
        request.getfixturevalue("needs_devtools")
    page, other = app.open(), app.open_blank()
    expected = []
    for number in range(5):
        log(page, f"round-{number}", count=40)
        expected += [f"round-{number}/{event}" for event in range(40)]
        if delete == "databases":
            other.evaluate(DELETE_ALL)
        else:
            clear_site_data(other, gateway.url)
    # Chromium may never end the transaction. The tab, without an acknowledgement, then has the worker send.
    for _ in range(20):
        shared_workers.clock.settle()
        if {*read_outbox(page), *get_components(gateway)} == set(expected):
            break
        shared_workers.clock.run_for(1_000)
    assert {*read_outbox(page), *get_components(gateway)} == set(expected)
    drain(shared_workers.clock)
    assert set(get_components(gateway)) == set(expected)


@pytest.mark.usefixtures("needs_devtools")
def test_record_beyond_the_quota_is_not_reported_as_durable(
    app: App, gateway: Gateway, shared_workers: SharedWorkers
) -> None:
    page = app.open_blank()
    # Chromium asks for the quota some time after it has asked for it last, so it is gone from the beginning.
    with no_quota(page, gateway.url):
        page.evaluate(CONNECT)
        page.evaluate(LOG, 0)
        shared_workers.clock.settle()
        page.evaluate(LOG, 1)
        # The same event again is no proof that it is on disk.
        page.evaluate(LOG, 1)
        shared_workers.clock.settle()
        stored = get_stored_messages(page)
        assert [message["seq"] for message in stored][-1] == 1
        assert all(message.get("durable") is False for message in stored), stored
    wait_for_outbox(page, shared_workers.clock, "raw/0", "raw/1")
    page.evaluate(LOG, 2)
    shared_workers.clock.settle()
    assert get_stored_messages(page)[-1] == {"type": "STORED", "seq": 2}
    drain(shared_workers.clock)
    assert get_components(gateway) == ["raw/0", "raw/1", "raw/2"]
    assert read_outbox(page) == []


@pytest.mark.usefixtures("needs_devtools")
def test_record_posted_beyond_the_quota_leaves_nothing_on_disk(
    app: App, gateway: Gateway, shared_workers: SharedWorkers
) -> None:
    blank = app.open_blank()
    with no_quota(blank, gateway.url):
        page = app.open()
        log(page, "beyond", count=2)
        shared_workers.clock.settle()
        drain(shared_workers.clock)
        assert get_components(gateway) == ["beyond/0", "beyond/1"]
    wait_for_outbox(page, shared_workers.clock)
    replace_worker(shared_workers)
    wait_for_state(page, "worker")
    drain(shared_workers.clock)
    assert get_components(gateway) == ["beyond/0", "beyond/1"]


@pytest.mark.parametrize(
    ("version", "stores"),
    [
        pytest.param(1, [], id="older"),
        pytest.param(7, ["future"], id="later"),
        pytest.param(7, ["future", "config"], id="later-with-config"),
    ],
)
def test_database_of_another_build_is_shared(
    app: App, gateway: Gateway, shared_workers: SharedWorkers, version: int, stores: list[str]
) -> None:
    blank = app.open_blank()
    name = OUTBOX.format(origin=gateway.url)
    blank.evaluate(CREATE_DATABASE, [name, version, stores])
    before = blank.evaluate(READ_STORES, name)
    page = app.open()
    log(page, "shared", count=3)
    wait_for_outbox(page, shared_workers.clock, "shared/0", "shared/1", "shared/2")
    contents = blank.evaluate(READ_STORES, name)
    for store in stores:
        assert contents[store] >= before[store], "the other build's records are still there"
    replace_worker(shared_workers)
    wait_for_state(page, "worker")
    drain(shared_workers.clock)
    assert get_components(gateway) == ["shared/0", "shared/1", "shared/2"]


def test_blocked_upgrade_is_repeated(app: App, gateway: Gateway, shared_workers: SharedWorkers) -> None:
    blank = app.open_blank()
    # A connection of another build that does not make way for an upgrade.
    blank.evaluate(
        """(name) => new Promise((resolve) => {
            const request = indexedDB.open(name, 3);
            request.onupgradeneeded = () => request.result.createObjectStore("future");
            request.onsuccess = () => { self.database = request.result; resolve(); };
        })""",
        OUTBOX.format(origin=gateway.url),
    )
    page = app.open()
    log(page, "blocked")
    shared_workers.clock.run_for(1_000)
    blank.evaluate("() => database.close()")
    wait_for_outbox(page, shared_workers.clock, "blocked")
    drain(shared_workers.clock)
    assert get_components(gateway) == ["blocked"]


def test_two_builds_share_one_outbox(app: App, gateway: Gateway, shared_workers: SharedWorkers) -> None:
    page, other = app.open(), app.open(OTHER_BUILD)
    for number in range(3):
        log(page, f"one-{number}")
        log(other, f"other-{number}")
    expected = [f"{build}-{number}" for number in range(3) for build in ("one", "other")]
    wait_for_outbox(page, shared_workers.clock, *expected)
    # Its records are recovered by its successor only, although the other build's worker runs.
    replace_worker(shared_workers, "**/build-2/**")
    wait_for_state(other, "worker")
    drain(shared_workers.clock)
    assert Counter(get_components(gateway)) == Counter(expected)
    wait_for_outbox(page, shared_workers.clock)


@pytest.mark.parametrize(
    "record",
    [
        pytest.param("{ key: ['0-a-later-build', 0], payload: new Uint8Array(3) }", id="another-shape"),
        pytest.param("{ key: ['0-a-later-build', 0], id: 'x/0', text: '{}', bytes: '2' }", id="another-type"),
        pytest.param("{ key: [7, 0], id: 'x/0', text: '{}', bytes: 2 }", id="owner-without-a-name"),
        pytest.param("{ key: 7, id: 'x/0', text: '{}', bytes: 2 }", id="key-without-an-owner"),
    ],
)
def test_record_of_another_build_in_the_outbox_is_left_there(
    app: App,
    gateway: Gateway,
    shared_workers: SharedWorkers,
    read_stored: Callable[[], list[str]],
    record: str,
) -> None:
    with gateway.add_toxic(HttpStatus(503), on="POST **/ui-telemetry", optional=True):
        page = app.open()
        log(page, "before", count=3)
        expected = [f"before/{number}" for number in range(3)]
        wait_for_outbox(page, shared_workers.clock, *expected)
        app.leave(page)
        for worker in shared_workers.alive:
            worker.terminate()
    name = OUTBOX.format(origin=gateway.url)
    page.evaluate(PUT_RECORD.replace("RECORD", record), name)
    page = app.open()
    log(page, "after")
    drain(shared_workers.clock)
    assert read_stored() == ["after", *expected]
    assert page.evaluate(READ_STORES, name) == {"config": 1, "records": 1}


def test_repeated_deletion_keeps_what_the_next_session_has_stored(
    app: App, gateway: Gateway, shared_workers: SharedWorkers
) -> None:
    """The browser does not write at the moment of an opt-out; the worker deletes again some seconds later."""
    gateway.add_toxic(HttpStatus(503), on="POST **/ui-telemetry", optional=True)
    page = app.open()
    log(page, "before")
    shared_workers.clock.run_for(1_000)
    worker = shared_workers.wait_for()
    worker.evaluate(
        """() => {
            self.realDelete = IDBObjectStore.prototype.delete;
            IDBObjectStore.prototype.delete = () => { throw new DOMException("full", "QuotaExceededError"); };
        }"""
    )
    page.evaluate("() => telemetry.optOut()")
    shared_workers.clock.settle()
    worker.evaluate("() => { IDBObjectStore.prototype.delete = realDelete; }")
    page.evaluate("() => telemetry.optIn()")
    wait_for_state(page, "worker")
    log(page, "stored")
    shared_workers.clock.run_for(10_000)
    assert read_outbox(page) == ["stored"]


@pytest.mark.parametrize("message", ["{ id: 'late', timeMs }", "{ echo: true }", "{}"])
def test_opt_out_that_arrives_late_keeps_what_a_later_session_has_stored(
    app: App, gateway: Gateway, shared_workers: SharedWorkers, message: str
) -> None:
    """A busy worker of another build hears of an opt-out when the next session runs."""
    gateway.add_toxic(HttpStatus(503), on="POST **/ui-telemetry", optional=True)
    other = app.open(OTHER_BUILD)
    log(other, "before")
    shared_workers.clock.run_for(1_000)
    late_worker = shared_workers.wait_for()
    opt_out_ms = late_worker.evaluate("() => Date.now()")
    shared_workers.clock.run_for(1_000)
    page = app.open()
    log(page, "stored")
    wait_for_outbox(page, shared_workers.clock, "before", "stored")
    late_worker.evaluate(
        f"""(timeMs) => {{
            const {{ port1, port2 }} = new MessageChannel();
            dispatchEvent(new MessageEvent("connect", {{ ports: [port1] }}));
            port2.postMessage({{ type: "SHUTDOWN", ...{message} }});
        }}""",
        opt_out_ms,
    )
    wait_for_outbox(page, shared_workers.clock, "stored")
