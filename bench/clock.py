"""Measure the speed of virtual time: `python bench/clock.py [--browser firefox] [--tabs N] [--seconds N]`.

Each tab logs one event per second to the reference worker, which posts to a gateway every 30 s. All clocks
are virtual. Prints the simulated seconds per real second, and the real time per event.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from pytest_sharedworker.browsers.discovery import get_launch_arguments
from pytest_sharedworker.control.server import ControlServer
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.integration.event_loop_thread import LoopThread
from pytest_sharedworker.workers.manager import WorkerManager

WORKER = Path(__file__).parent.parent / "worker"
ENDPOINT = "/ajax-api/3.0/mlflow/ui-telemetry"
RESPONSE = {"status": "success", "disable_ui_telemetry": False, "ui_rollout_percentage": 100}
START_LOGGING = """() => {
    const { port } = new SharedWorker("/static-files/telemetry.worker.js", { type: "module" });
    const payload = { installation_id: "bench", event_name: "ui_event", params: {} };
    const event = () => ({ ...payload, timestamp_ns: Date.now() * 1e6 });
    const log = () => port.postMessage({ type: "LOG_EVENT", payload: event() });
    return new Promise((resolve) => { port.onmessage = () => resolve(setInterval(log, 1000)); });
}"""


def main() -> None:
    """Run the benchmark and print the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--browser", choices=("chromium", "firefox"), default="chromium")
    parser.add_argument("--tabs", type=int, default=10)
    parser.add_argument("--seconds", type=int, default=3600)
    options = parser.parse_args()
    loop_thread = LoopThread()
    control = ControlServer(loop_thread)
    loop_thread.run(control.start())
    gateway = Gateway(loop_thread, control)
    gateway._start()
    gateway.serve_directory("/static-files/", WORKER)
    gateway.serve(
        "/", "<!doctype html><title>tab</title><link rel=icon href=data:,>", content_type="text/html"
    )
    gateway.serve(ENDPOINT, json.dumps(RESPONSE), content_type="application/json")
    with sync_playwright() as playwright:
        browser = getattr(playwright, options.browser).launch(**get_launch_arguments(options.browser))
        context = browser.new_context()
        workers = WorkerManager(browser, gateway, control, loop_thread, "virtual", virtual_tabs=True)
        workers.watch(context)
        for _ in range(options.tabs):
            page = context.new_page()
            page.goto(gateway.url)
            page.evaluate(START_LOGGING)
        started = time.perf_counter()
        workers.clock.run_for(options.seconds * 1000, timeout=600_000)
        real_seconds = time.perf_counter() - started
        records = sum(len(post.json()["records"]) for post in gateway.journal.select(f"POST {ENDPOINT}"))
        print(
            f"{options.browser} {browser.version}: {options.tabs} tabs, {options.seconds} simulated seconds"
        )
        print(f"{real_seconds:.2f} s real, {options.seconds / real_seconds:.0f} simulated seconds/s")
        print(f"{records} events stored, {real_seconds / max(records, 1) * 1e6:.0f} µs per event")
        workers.close()
        browser.close()
    gateway._stop()
    loop_thread.run(control.stop())
    loop_thread.close()


if __name__ == "__main__":
    main()
