"""The page of the chaos: the reference client as an app uses it, and what a test has to see of it."""

from __future__ import annotations

PAGE_PATH = "/chaos.html"
ELSEWHERE_PATH = "/elsewhere.html"
WORKER_FOLDER = "/static-files/"

ELSEWHERE = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>elsewhere</title><link rel=icon href=data:,>"
)

# The client keeps to itself which events the worker has acknowledged. A listener of the page's own hears the
# same word, from whichever worker: what one has on disk is safe, also where the tab has turned to another.
PAGE = """<!doctype html>
<html lang=en><meta charset=utf-8><title>chaos</title><link rel=icon href=data:,>
<script type=module>
import { ENABLED_KEY, STORED } from "./static-files/protocol.js";
import { createTelemetryClient } from "./static-files/telemetry-client.js";

const waiting = new Set();
const look = () => waiting.forEach((each) => each());
const chaos = window.chaos = {
    acknowledged: -1,
    consentsHeard: 0,
    state: () => client.state(),
    /** Tells whether each of the events was taken. */
    log: (keys, padding) => keys.map((key) => client.logEvent({
        componentId: "chaos.button", componentViewId: key, componentType: "button", eventType: "onClick",
        padding,
    })),
    optIn: () => client.optIn(),
    optOut: () => client.optOut(),
    /** Resolves when the condition holds, with false where it does not in time. */
    until: (condition, ms) => new Promise((resolve) => {
        const end = (held) => {
            waiting.delete(tryIt);
            clearTimeout(timer);
            resolve(held);
        };
        const tryIt = () => condition() && end(true);
        const timer = setTimeout(end, ms, false);
        waiting.add(tryIt);
        tryIt();
    }),
};

const NativeWorker = window.SharedWorker;
window.SharedWorker = class SharedWorker extends NativeWorker {
    constructor(...options) {
        super(...options);
        this.port.addEventListener("message", ({ data }) => {
            if (data?.type !== STORED) return;
            chaos.acknowledged = Math.max(chaos.acknowledged, data.seq);
            // Behind the client's own listener, which may have something to say as well.
            queueMicrotask(look);
        });
    }
};
const client = createTelemetryClient({
    workerUrl: "static-files/telemetry.worker.js",
    type: "module",
    onStateChange: () => queueMicrotask(look),
});
// Behind the client's own listener: when this one has heard of a change the client has.
addEventListener("storage", ({ key }) => {
    if (key === ENABLED_KEY) chaos.consentsHeard++;
    look();
});
</script>
"""

LOG = "([keys, padding]) => chaos.log(keys, padding)"
LOOK = "() => ({ state: chaos.state(), acknowledged: chaos.acknowledged })"
UNTIL_STATE = "([state, ms]) => chaos.until(() => chaos.state() === state, ms)"
UNTIL_ACKNOWLEDGED = "([seq, ms]) => chaos.until(() => chaos.acknowledged >= seq, ms)"
UNTIL_CONSENTS_HEARD = "([count, ms]) => chaos.until(() => chaos.consentsHeard >= count, ms)"
OPT_IN = "() => chaos.optIn()"
LOG_AND_OPT_OUT = """(keys) => {
    const taken = chaos.log(keys, "");
    chaos.optOut();
    return taken;
}"""
# Off and on again `turns` times; events are logged before, while it is off, and after.
FLIP = """async ([before, between, after, turns, ms]) => {
    const pause = () => ms ? new Promise((resolve) => setTimeout(resolve, ms)) : undefined;
    const taken = [chaos.log(before, "")];
    for (let turn = 0; turn < turns; turn++) {
        chaos.optOut();
        if (turn === 0) taken.push(chaos.log(between, ""));
        await pause();
        chaos.optIn();
        await pause();
    }
    return [...taken, chaos.log(after, "")];
}"""
