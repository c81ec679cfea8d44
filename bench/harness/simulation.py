"""The speed of virtual time: tabs log events to the reference worker, which posts to a gateway."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from playwright.sync_api import Browser

from bench.report import CHECKOUT
from pytest_sharedworker.control.server import ControlServer, start_control_server
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.integration.event_loop_thread import LoopThread
from pytest_sharedworker.workers.manager import WorkerManager

WORKER = CHECKOUT / "worker"
ENDPOINT = "/ajax-api/3.0/mlflow/ui-telemetry"
RESPONSE = {"status": "success", "disable_ui_telemetry": False, "ui_rollout_percentage": 100}
PAGE = "<!doctype html><title>tab</title><link rel=icon href=data:,>"
RUN_TIMEOUT_MS = 600_000
START_LOGGING = """([worker, intervalMs]) => {
    const { port } = new SharedWorker(`/static-files/telemetry.worker.js?${worker}`, { type: "module" });
    const payload = { installation_id: "bench", event_name: "ui_event", params: {} };
    const event = () => ({ ...payload, timestamp_ns: Date.now() * 1e6 });
    const log = () => port.postMessage({ type: "LOG_EVENT", payload: event() });
    return new Promise((resolve) => { port.onmessage = () => resolve(setInterval(log, intervalMs)); });
}"""


@dataclass(frozen=True)
class Load:
    """What is simulated."""

    tabs: int = 10
    workers: int = 1
    events_per_second: int = 1
    seconds: int = 600


@dataclass(frozen=True)
class Speed:
    """What it took."""

    load: Load
    real_seconds: float
    events: int

    @property
    def simulated_per_second(self) -> float:
        """Return the simulated seconds that pass in a real one."""
        return self.load.seconds / self.real_seconds

    @property
    def event_microseconds(self) -> float:
        """Return the real time an event takes."""
        return self.real_seconds / max(self.events, 1) * 1e6


@contextmanager
def start_gateway(upstream: str | None = None) -> Iterator[tuple[LoopThread, ControlServer, Gateway]]:
    """Start a gateway, with its control channel, and stop both in the end."""
    with start_control_server() as (loop_thread, control):
        gateway = Gateway(loop_thread, control, upstream)
        gateway._start()
        try:
            yield loop_thread, control, gateway
        finally:
            gateway._stop()


def simulate(browser: Browser, load: Load) -> Speed:
    """Simulate the load and return how long it took."""
    with start_gateway() as (loop_thread, control, gateway):
        gateway.serve_directory("/static-files/", WORKER)
        gateway.serve("/", PAGE, content_type="text/html")
        gateway.serve(ENDPOINT, json.dumps(RESPONSE), content_type="application/json")
        context = browser.new_context()
        workers = WorkerManager(browser, gateway, control, loop_thread, "virtual", virtual_tabs=True)
        workers.watch(context)
        for number in range(load.tabs):
            page = context.new_page()
            page.goto(gateway.url)
            page.evaluate(START_LOGGING, [number % load.workers, 1000 / load.events_per_second])
        started = time.perf_counter()
        workers.clock.run_for(load.seconds * 1000, timeout=RUN_TIMEOUT_MS)
        real_seconds = time.perf_counter() - started
        posts = gateway.journal.select(f"POST {ENDPOINT}")
        events = sum(len(post.json()["records"]) for post in posts)
        workers.close()
        context.close()
    return Speed(load, real_seconds, events)
