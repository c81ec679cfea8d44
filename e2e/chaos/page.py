"""The pages of the chaos tests: the reference client as an app uses it, and what the tests read from it.

The builds of one origin stand side by side, as they do while a new version of an app is rolled out.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

ELSEWHERE_PATH = "/elsewhere.html"
ELSEWHERE = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>elsewhere</title><link rel=icon href=data:,>"
)
BUNDLE_PATH = "/static-files/telemetry.bundle.js"
OTHER_PREFIX = "/other"
"""Path prefix of an app of the same origin with its own endpoint, and so with its own outbox."""


@dataclass(frozen=True)
class Build:
    """A page with a build of the client and the worker. `folder` is that of its modules."""

    name: str
    page_path: str
    folder: str
    is_bundle: bool = False

    @property
    def worker_path(self) -> str:
        """The path of the worker's script."""
        return BUNDLE_PATH if self.is_bundle else f"{self.folder}telemetry.worker.js"

    def make_page(self) -> str:
        """Return the HTML of the page."""
        if self.is_bundle:
            return _PAGE % {"head": f'<script src="{BUNDLE_PATH}"></script>', "import": "", "options": ""}
        return _PAGE % {
            "head": "",
            "import": f'import {{ createTelemetryClient }} from "{self.folder}telemetry-client.js";',
            "options": f'workerUrl: "{self.worker_path}", type: "module",',
        }


MODULES = Build("modules", "/chaos.html", "/static-files/")
SECOND = Build("modules under another URL", "/second.html", "/second-build/")
BUNDLE = Build("bundle", "/bundle.html", "/static-files/", is_bundle=True)
OTHER = Build("app with another endpoint", "/other.html", f"{OTHER_PREFIX}/static-files/")
BUILDS = (MODULES, SECOND, BUNDLE, OTHER)


def get_outbox(worker_url: str) -> str:
    """Return which outbox a worker uses: workers of one endpoint share it."""
    return OTHER_PREFIX if urlsplit(worker_url).path.startswith(f"{OTHER_PREFIX}/") else ""


# The client does not expose which events the worker has acknowledged. The page therefore listens to the same
# messages, from every worker: an event that a worker has on disk is safe, also after the tab has connected
# to another worker.
_PAGE = """<!doctype html>
<html lang=en><meta charset=utf-8><title>chaos</title><link rel=icon href=data:,>
%(head)s
<script type=module>
%(import)s
const ENABLED_KEY = "mlflow.settings.telemetry.enabled_v1";
const OUTBOX_NAME_PREFIX = "telemetry-outbox ";
const FILLER_KEY = "chaos-filler";
const MARKER_KEY = "chaos-marker";
const STORAGE_CHARACTERS = 5 * 1024 * 1024;

const waiting = new Set();
const checkConditions = () => waiting.forEach((check) => check());
const heldLocks = [];
const wait = (request) => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
    setTimeout(reject, 10_000, new Error("a worker keeps the database open"));
});
const listDatabases = async () => {
    const names = (await indexedDB.databases()).map(({ name }) => name);
    return names.filter((name) => name.startsWith(OUTBOX_NAME_PREFIX));
};
const fits = (value) => {
    try {
        localStorage.setItem(FILLER_KEY, value);
        return true;
    } catch {
        return false;
    }
};
const chaos = window.chaos = {
    acknowledged: -1,
    durable: -1,
    connections: 0,
    marker: 0,
    state: () => client.state(),
    consent: () => localStorage.getItem(ENABLED_KEY),
    /** Writes a number; other tabs receive it after what was written before. Its length never changes. */
    writeMarker: (number) => localStorage.setItem(MARKER_KEY, String(number).padStart(9, "0")),
    /** Returns for each event whether the client accepted it. */
    log: (keys, padding) => keys.map((key) => client.logEvent({
        componentId: "chaos.button", componentViewId: key, componentType: "button", eventType: "onClick",
        padding,
    })),
    optIn: () => client.optIn(),
    optOut: () => client.optOut(),
    /** Resolves with true when the condition holds, with false after the timeout. */
    until: (condition, ms) => new Promise((resolve) => {
        const end = (held) => {
            waiting.delete(check);
            clearTimeout(timer);
            resolve(held);
        };
        const check = () => condition() && end(true);
        const timer = setTimeout(end, ms, false);
        waiting.add(check);
        check();
    }),
    /** Fills localStorage to the last character. */
    fillStorage() {
        localStorage.removeItem(FILLER_KEY);
        const used = Object.entries(localStorage).flat().join("").length;
        let size = STORAGE_CHARACTERS - used - FILLER_KEY.length;
        // Browsers differ in what they count: search where the arithmetic does not hold.
        if (fits("x".repeat(size)) && !fits("x".repeat(size + 1))) return;
        let [low, high] = [0, 2 * STORAGE_CHARACTERS];
        while (low < high - 1) {
            size = (low + high) >> 1;
            if (fits("x".repeat(size))) low = size;
            else high = size;
        }
        fits("x".repeat(low));
    },
    freeStorage: () => localStorage.removeItem(FILLER_KEY),
    async deleteDatabases() {
        for (const name of await listDatabases()) await wait(indexedDB.deleteDatabase(name));
    },
    /** As another build does that knows nothing of this one: a store more; `isReplaced`: that store only. */
    async changeDatabases(isReplaced) {
        for (const { name, version } of await indexedDB.databases()) {
            if (!name.startsWith(OUTBOX_NAME_PREFIX)) continue;
            if (isReplaced) await wait(indexedDB.deleteDatabase(name));
            const opening = indexedDB.open(name, (version ?? 1) + 1);
            opening.onupgradeneeded = () => {
                const database = opening.result;
                if (!database.objectStoreNames.contains("other")) database.createObjectStore("other");
            };
            opening.onsuccess = () => opening.result.close();
            await wait(opening);
            opening.result.close();
        }
    },
    /** Steals the locks of all workers and tabs, and holds them until `releaseLocks` where `isHeld`. */
    async stealLocks(isHeld) {
        const names = new Set((await navigator.locks.query()).held.map(({ name }) => name));
        for (const name of names) {
            await new Promise((stolen) => {
                navigator.locks.request(name, { steal: true }, () => {
                    stolen();
                    return isHeld && new Promise((release) => heldLocks.push(release));
                }).catch(() => {});
            });
        }
    },
    releaseLocks: () => heldLocks.splice(0).forEach((release) => release()),
};

const NativeWorker = window.SharedWorker;
window.SharedWorker = class SharedWorker extends NativeWorker {
    constructor(...options) {
        super(...options);
        chaos.connections++;
        this.port.addEventListener("message", ({ data }) => {
            if (data?.type !== "STORED") return;
            chaos.acknowledged = Math.max(chaos.acknowledged, data.seq);
            if (data.durable !== false) chaos.durable = Math.max(chaos.durable, data.seq);
            // After the client's own listener, which may change its state.
            queueMicrotask(checkConditions);
        });
    }
};
if (!localStorage.getItem(MARKER_KEY)) chaos.writeMarker(0);
const client = createTelemetryClient({
    %(options)s
    onStateChange: () => queueMicrotask(checkConditions),
});
// After the client's own listener: the client has handled what was written before the marker.
addEventListener("storage", ({ key, newValue }) => {
    if (key === MARKER_KEY) chaos.marker = Number(newValue);
    checkConditions();
});
</script>
"""

LOG = "([keys, padding]) => chaos.log(keys, padding)"
READ_STATE = """() => {
    const { acknowledged, durable, connections } = chaos;
    return { state: chaos.state(), acknowledged, durable, connections };
}"""
WAIT_FOR_STATE = "([states, ms]) => chaos.until(() => states.includes(chaos.state()), ms)"
WAIT_FOR_ACKNOWLEDGMENT = "([seq, ms]) => chaos.until(() => chaos.acknowledged >= seq, ms)"
WRITE_MARKER = "(number) => chaos.writeMarker(number)"
WAIT_FOR_MARKER = "([number, ms]) => chaos.until(() => chaos.marker >= number, ms)"
READ_CONSENT = "() => chaos.consent()"
OPT_IN = "() => chaos.optIn()"
LOG_AND_OPT_OUT = """(keys) => {
    const accepted = chaos.log(keys, "");
    chaos.optOut();
    return accepted;
}"""
# Off and on again `turns` times; events are logged before, while it is off, and after.
FLIP_CONSENT = """async ([before, between, after, turns, ms]) => {
    const pause = () => ms ? new Promise((resolve) => setTimeout(resolve, ms)) : undefined;
    const accepted = [chaos.log(before, "")];
    for (let turn = 0; turn < turns; turn++) {
        chaos.optOut();
        if (turn === 0) accepted.push(chaos.log(between, ""));
        await pause();
        chaos.optIn();
        await pause();
    }
    return [...accepted, chaos.log(after, "")];
}"""
FILL_STORAGE = "() => chaos.fillStorage()"
FREE_STORAGE = "() => chaos.freeStorage()"
DELETE_DATABASES = "() => chaos.deleteDatabases()"
CHANGE_DATABASES = "(isReplaced) => chaos.changeDatabases(isReplaced)"
STEAL_LOCKS = "(isHeld) => chaos.stealLocks(isHeld)"
RELEASE_LOCKS = "() => chaos.releaseLocks()"
