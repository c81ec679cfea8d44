"""The app of the plugin's browser tests: an empty page, and workers of a few lines."""

from __future__ import annotations

import time
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page

from pytest_sharedworker import ConsoleMessage, Gateway, SharedWorker, SharedWorkers

PAGE = "/page.html"

PER_CLOCK = pytest.mark.parametrize(
    "is_virtual",
    [
        pytest.param(True, marks=pytest.mark.worker_clock("virtual"), id="virtual"),
        pytest.param(False, marks=pytest.mark.worker_clock("real"), id="real"),
    ],
)
"""Runs a test, which gets `is_virtual`, on the virtual and on the real clock."""

ECHO = """
self.log = [];
self.note = (value) => { log.push([value, performance.now()]); };
self.onconnect = ({ ports: [port] }) => {
    port.onmessage = ({ data }) => { note(data); port.postMessage(data); };
};
"""
"""A worker that logs each message with its time, and sends it back."""

_START = """([url, options]) => {
    window.messages = [];
    window.worker = new SharedWorker(url, options);
    worker.port.onmessage = ({ data }) => messages.push(data);
}"""


def read_log(worker: SharedWorker) -> list[Any]:
    """Return what a worker of ECHO has logged: pairs of a value and its time in milliseconds."""
    return list(worker.evaluate("log"))


def read_console(worker: SharedWorker) -> list[str]:
    """Return the console messages of a worker, each with its level."""
    return [str(message) for message in worker.console_messages()]


def wait_for_console(worker: SharedWorker, text: str, *, timeout: float = 30_000) -> ConsoleMessage:
    """Wait for a console message that contains `text`, written before or after this call."""
    deadline = time.monotonic() + timeout / 1000
    while time.monotonic() < deadline:
        for message in worker.console_messages():
            if text in message.text:
                return message
        time.sleep(0.01)
    raise AssertionError(f"no message with {text!r} within {timeout:g} ms: {read_console(worker)}")


def require_iteration(worker: SharedWorker) -> None:
    """Skip a test that reads a stream by `for await` in browsers without it."""
    if not worker.evaluate("Symbol.asyncIterator in ReadableStream.prototype"):
        pytest.skip("WebKit has no async iteration of streams")


class App:
    """Open pages of the gateway's origin and start workers in them."""

    def __init__(self, gateway: Gateway, shared_workers: SharedWorkers, context: BrowserContext) -> None:
        self.gateway = gateway
        self.workers = shared_workers
        self.context = context
        gateway.serve(PAGE, "<!doctype html><title>app</title>")

    def open(self, context: BrowserContext | None = None) -> Page:
        """Open a page, in the test's context or in `context`."""
        page = (context or self.context).new_page()
        page.goto(self.gateway.url + PAGE)
        return page

    def connect(self, page: Page, path: str = "/worker.js", **options: Any) -> None:
        """Connect a page to a worker; the page keeps `window.worker` and `window.messages`."""
        page.evaluate(_START, [path, options])

    def start(self, script: str = ECHO, path: str = "/worker.js", **options: Any) -> SharedWorker:
        """Serve a script, start it from a new page, and wait for the worker."""
        self.gateway.serve(path, script)
        self.connect(self.open(), path, **options)
        return self.workers.wait_for(path, name=options.get("name"))
