"""What happens to a worker's databases: a page of its origin, another build or the browser changes them.

A page can do all of it without knowing how the worker names its databases. A worker that has none is not
affected.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from e2e.worker.driver.system import Telemetry
from e2e.worker.driver.tab import Tab

CLEAR_PATH = "/clear-site-data"

FAIL_WRITES = """(() => {
    self.failWrites = false;
    const { put, add } = IDBObjectStore.prototype;
    const fail = (write) => function (...args) {
        const request = write.apply(this, args);
        // The second of two equal keys is a ConstraintError, and aborts the transaction like any error does.
        if (self.failWrites) add.apply(this, args);
        return request;
    };
    IDBObjectStore.prototype.put = fail(put);
    IDBObjectStore.prototype.add = fail(add);
})();"""

EXHAUST_QUOTA = """(() => {
    self.isFull = false;
    const { put, add } = IDBObjectStore.prototype;
    const { commit } = IDBTransaction.prototype;
    // The request succeeds, and the transaction is aborted when it commits, as browsers do without space.
    const exhaust = (write) => function (...args) {
        const request = write.apply(this, args);
        if (self.isFull) request.addEventListener("success", () => this.transaction.abort());
        return request;
    };
    IDBObjectStore.prototype.put = exhaust(put);
    IDBObjectStore.prototype.add = exhaust(add);
    IDBTransaction.prototype.commit = function () {
        if (!self.isFull) commit.apply(this);
    };
})();"""

BLOCK_STORAGE = """(() => {
    const { open } = IDBFactory.prototype;
    self.blockStorage = true;
    IDBFactory.prototype.open = function (...args) {
        // What browsers do where the user blocks site data.
        if (self.blockStorage) throw new DOMException("storage is blocked", "SecurityError");
        return open.apply(this, args);
    };
})();"""

_UNBLOCK_STORAGE = "self.blockStorage = false;"

_FOR_EACH_DATABASE = """async (change) => {
    const settle = (request) => new Promise((resolve, reject) => {
        request.onsuccess = () => resolve(request.result);
        request.onerror = () => reject(request.error);
    });
    const databases = await indexedDB.databases();
    for (const { name, version } of databases) await (%s)(name, version, settle);
    return databases.length;
}"""

_DELETE = "(name, version, settle) => settle(indexedDB.deleteDatabase(name))"

_UPGRADE = """async (name, version, settle) => {
    const request = indexedDB.open(name, version + 1);
    request.onupgradeneeded = () => request.result.createObjectStore("of-a-later-build");
    (await settle(request)).close();
}"""

_CREATE_EARLIER = """async (name, version, settle) => {
    await settle(indexedDB.deleteDatabase(name));
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => request.result.createObjectStore("of-an-earlier-build");
    const database = await settle(request);
    %s
}"""
_REPLACE = _CREATE_EARLIER % "database.close();"
# A page of a build that does not expect others keeps its connection open, and blocks every upgrade.
_REPLACE_AND_HOLD = _CREATE_EARLIER % "(window.held ??= []).push(database);"
_RELEASE = "() => window.held.forEach((database) => database.close())"


def _nothing(telemetry: Telemetry, tab: Tab) -> None:
    return None


Act = Callable[[Telemetry, Tab], object]


@dataclass(frozen=True)
class StorageFault:
    """Something that happens to the worker's databases.

    `words` say when it has happened, after "after". `begin` lets it happen, from a tab, and `end` undoes it;
    `init_script` runs in every worker first. `is_before_start`: it happens between two workers. `deletes`: it
    deletes records that the worker has confirmed.
    """

    words: str
    begin: Act
    end: Act = _nothing
    init_script: str | None = None
    is_before_start: bool = False
    deletes: bool = False


def _change_databases(script: str) -> Act:
    return lambda telemetry, tab: tab.page.evaluate(_FOR_EACH_DATABASE % script)


def _clear_site_data(telemetry: Telemetry, tab: Tab) -> None:
    headers = {"Clear-Site-Data": '"storage"'}
    telemetry.gateway.serve(CLEAR_PATH, "", content_type="text/plain", headers=headers)
    tab.page.evaluate("(path) => fetch(path).then((response) => response.text())", CLEAR_PATH)


def _set_in_worker(script: str) -> Act:
    return lambda telemetry, tab: telemetry.workers.wait_for().evaluate(script)


def _unblock(telemetry: Telemetry, tab: Tab) -> None:
    telemetry.workers.add_init_script(_UNBLOCK_STORAGE)
    for worker in telemetry.workers.alive:
        worker.evaluate(_UNBLOCK_STORAGE)


STORAGE_FAULTS: dict[str, StorageFault] = {
    "cleared": StorageFault("the browser has cleared the site's data", _clear_site_data, deletes=True),
    "deleted": StorageFault(
        "a page has deleted the worker's databases", _change_databases(_DELETE), deletes=True
    ),
    "upgraded": StorageFault(
        "a later build has upgraded the worker's databases", _change_databases(_UPGRADE)
    ),
    "later": StorageFault(
        "a later build has upgraded the databases before the worker started",
        _change_databases(_UPGRADE),
        is_before_start=True,
    ),
    "earlier": StorageFault(
        "an earlier build has created the databases before the worker started, with other stores",
        _change_databases(_REPLACE),
        is_before_start=True,
        deletes=True,
    ),
    "failing": StorageFault(
        "writes to the worker's databases have begun to fail",
        _set_in_worker("() => { self.failWrites = true; }"),
        _set_in_worker("() => { self.failWrites = false; }"),
        init_script=FAIL_WRITES,
    ),
    "full": StorageFault(
        "the site's quota is exhausted",
        _set_in_worker("() => { self.isFull = true; }"),
        _set_in_worker("() => { self.isFull = false; }"),
        init_script=EXHAUST_QUOTA,
    ),
    "blocked": StorageFault(
        "the user has blocked the site's data before the worker started",
        lambda telemetry, tab: telemetry.workers.add_init_script(BLOCK_STORAGE),
        _unblock,
        is_before_start=True,
        deletes=True,
    ),
    "held": StorageFault(
        "a page of an earlier build keeps databases with other stores open",
        _change_databases(_REPLACE_AND_HOLD),
        lambda telemetry, tab: tab.page.evaluate(_RELEASE),
        is_before_start=True,
        deletes=True,
    ),
}
"""By a short name. The order gives the cases' numbers."""


_HOLD_WRITES = """async () => {
    for (const { name } of await indexedDB.databases()) {
        const database = await new Promise((resolve, reject) => {
            const request = indexedDB.open(name);
            request.onsuccess = () => resolve(request.result);
            request.onerror = () => reject(request.error);
        });
        database.onversionchange = () => database.close();
        const names = [...database.objectStoreNames];
        const store = database.transaction(names, "readwrite").objectStore(names[0]);
        // A transaction lasts as long as it has requests; the first one answers when it has begun.
        await new Promise((resolve) => {
            const ask = () => { resolve(); store.count().onsuccess = ask; };
            ask();
        });
    }
}"""


def hold_writes(tab: Tab) -> None:
    """Let a transaction of the page keep all others waiting, in every database, until the tab closes."""
    tab.page.evaluate(_HOLD_WRITES)
