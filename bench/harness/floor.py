"""The floor of virtual time: the same events without the plugin, as fast as tabs and worker handle them.

Another worker takes the place of the clock: it has all tabs log an event, and goes on when each has answered.
"""

from __future__ import annotations

import time

from playwright.sync_api import Browser

from bench.harness.server import TICKER_PATH, start_server
from bench.harness.simulation import Load, Speed

_START = """(tickerUrl) => {
    const { port } = new SharedWorker("/static-files/telemetry.worker.js?0", { type: "module" });
    const ticker = new SharedWorker(tickerUrl).port;
    const payload = { installation_id: "bench", event_name: "ui_event", params: {} };
    let finish;
    ticker.onmessage = ({ data }) => {
        if (data === "done") {
            finish();
            return;
        }
        port.postMessage({ type: "LOG_EVENT", payload: { ...payload, timestamp_ns: Date.now() * 1e6 } });
        ticker.postMessage("logged");
    };
    window.logAll = (steps) => new Promise((resolve) => {
        finish = resolve;
        ticker.postMessage({ steps });
    });
    return new Promise((resolve) => { port.onmessage = () => resolve(); });
}"""


def measure_floor(browser: Browser, load: Load) -> Speed:
    """Have every tab log an event a step, and return how long that took."""
    with start_server() as url:
        context = browser.new_context()
        pages = [context.new_page() for _ in range(load.tabs)]
        for page in pages:
            page.goto(url)
            page.evaluate(_START, TICKER_PATH)
        steps = load.seconds * load.events_per_second
        started = time.perf_counter()
        pages[0].evaluate("(steps) => logAll(steps)", steps)
        real_seconds = time.perf_counter() - started
        context.close()
    return Speed(load, real_seconds, steps * load.tabs)
