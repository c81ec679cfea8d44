"""The page of the chaos tests: the reference client as an app uses it, and what the tests read from it."""

from __future__ import annotations

PAGE_PATH = "/chaos.html"
ELSEWHERE_PATH = "/elsewhere.html"
WORKER_FOLDER = "/static-files/"

ELSEWHERE = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>elsewhere</title><link rel=icon href=data:,>"
)

# The client does not expose which events the worker has acknowledged. The page therefore listens to the same
# messages, from every worker: an event that a worker has on disk is safe, also after the tab has connected
# to another worker.
PAGE = """<!doctype html>
<html lang=en><meta charset=utf-8><title>chaos</title><link rel=icon href=data:,>
<script type=module>
import { ENABLED_KEY, STORED } from "./static-files/protocol.js";
import { createTelemetryClient } from "./static-files/telemetry-client.js";

const waiting = new Set();
const checkConditions = () => waiting.forEach((check) => check());
const chaos = window.chaos = {
    acknowledged: -1,
    consentChanges: 0,
    state: () => client.state(),
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
};

const NativeWorker = window.SharedWorker;
window.SharedWorker = class SharedWorker extends NativeWorker {
    constructor(...options) {
        super(...options);
        this.port.addEventListener("message", ({ data }) => {
            if (data?.type !== STORED) return;
            chaos.acknowledged = Math.max(chaos.acknowledged, data.seq);
            // After the client's own listener, which may change its state.
            queueMicrotask(checkConditions);
        });
    }
};
const client = createTelemetryClient({
    workerUrl: "static-files/telemetry.worker.js",
    type: "module",
    onStateChange: () => queueMicrotask(checkConditions),
});
// After the client's own listener: the client has handled every change that is counted here.
addEventListener("storage", ({ key }) => {
    if (key === ENABLED_KEY) chaos.consentChanges++;
    checkConditions();
});
</script>
"""

LOG = "([keys, padding]) => chaos.log(keys, padding)"
READ_STATE = "() => ({ state: chaos.state(), acknowledged: chaos.acknowledged })"
WAIT_FOR_STATE = "([state, ms]) => chaos.until(() => chaos.state() === state, ms)"
WAIT_FOR_ACKNOWLEDGMENT = "([seq, ms]) => chaos.until(() => chaos.acknowledged >= seq, ms)"
WAIT_FOR_CONSENT_CHANGES = "([count, ms]) => chaos.until(() => chaos.consentChanges >= count, ms)"
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
