"""The stage of the harness's own tests: an empty page, and workers of a few lines."""

from __future__ import annotations

import time
from typing import Any

from playwright.sync_api import BrowserContext, Page

from pytest_sharedworker.control.messages import ConsoleMessage
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.workers.shared_worker import SharedWorker
from pytest_sharedworker.workers.shared_workers import SharedWorkers

PAGE = "/page.html"

ECHO = """
self.log = [];
self.note = (what) => { log.push([what, performance.now()]); };
self.onconnect = ({ ports: [port] }) => {
    port.onmessage = ({ data }) => { note(data); port.postMessage(data); };
};
"""
"""Keeps what it reads, each with its virtual time, and sends it back."""

_START = """([url, options]) => {
    window.messages = [];
    window.worker = new SharedWorker(url, options);
    worker.port.onmessage = ({ data }) => messages.push(data);
}"""


def log(worker: SharedWorker) -> list[Any]:
    """What a worker of ECHO has noted: pairs of what and of the virtual milliseconds."""
    return list(worker.evaluate("log"))


def console_texts(worker: SharedWorker) -> list[str]:
    """The lines that a worker has written, each with its level."""
    return [str(message) for message in worker.console_messages()]


def wait_for_console(worker: SharedWorker, text: str, *, timeout: float = 5_000) -> ConsoleMessage:
    """Wait until a worker has written a message that contains `text`, also before this call."""
    deadline = time.monotonic() + timeout / 1000
    while time.monotonic() < deadline:
        for message in worker.console_messages():
            if text in message.text:
                return message
        time.sleep(0.01)
    raise AssertionError(f"no message with {text!r} within {timeout:g} ms: {console_texts(worker)}")


class App:
    """Opens pages of the gateway's origin and starts workers in them."""

    def __init__(self, gateway: Gateway, shared_workers: SharedWorkers, context: BrowserContext) -> None:
        self.gateway = gateway
        self.workers = shared_workers
        self.context = context
        gateway.mount(PAGE, "<!doctype html><title>stage</title>")

    def open(self, context: BrowserContext | None = None) -> Page:
        """Open a page, in the test's context or in another."""
        page = (context or self.context).new_page()
        page.goto(self.gateway.url + PAGE)
        return page

    def connect(self, page: Page, path: str = "/worker.js", **options: Any) -> None:
        """Start or join a worker; `window.worker` and `window.messages` belong to it."""
        page.evaluate(_START, [path, options])

    def start(self, script: str = ECHO, path: str = "/worker.js", **options: Any) -> SharedWorker:
        """Mount a script, start it from a page of its own, and wait for the worker."""
        self.gateway.mount(path, script)
        self.connect(self.open(), path, **options)
        return self.workers.wait_for(f"*{path}", name=options.get("name"))
