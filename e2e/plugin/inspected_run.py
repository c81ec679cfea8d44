"""A pytest process whose test is paused, and the inspector that a person opens beside it."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

TIMEOUT_SECONDS = 240

CONFTEST = """
import pytest

WORKER = '''
console.log("first line");
const post = async () => {
    const response = await fetch("/api", { method: "POST", body: '{"records":[1]}' });
    console.warn(`got ${response.status}`);
};
setInterval(post, 30000);
self.onconnect = ({ ports: [port] }) => {
    port.onmessage = ({ data }) => { port.postMessage({ heard: data }); };
};
const open = indexedDB.open("box", 1);
open.onupgradeneeded = () => { open.result.createObjectStore("records"); };
open.onsuccess = () => {
    const store = open.result.transaction("records", "readwrite").objectStore("records");
    store.put("<b>kept</b>", 1);
};
'''
PAGE = '''<!doctype html><link rel=icon href=data:,><script>
const worker = new SharedWorker("/worker.js", "poster");
worker.port.start();
worker.port.postMessage("<img src=x onerror=alert(1)>");
</script>'''

@pytest.fixture
def worker(context, gateway, shared_workers, worker_clock):
    gateway.serve("/worker.js", WORKER)
    gateway.serve("/page.html", PAGE)
    gateway.serve("/api", '{"a": 1}')
    context.new_page().goto(gateway.url + "/page.html")
    return shared_workers.wait_for(name="poster")
"""


class Run:
    """A pytest process, and the URL of the inspector that it has printed."""

    def __init__(self, folder: Path, browser_name: str, test: str, *options: str) -> None:
        (folder / "conftest.py").write_text(CONFTEST)
        (folder / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider\n")
        (folder / "test_app.py").write_text(test)
        command = [sys.executable, "-m", "pytest", "--installed-browser", "--browser", browser_name, *options]
        self.process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._timer = threading.Timer(TIMEOUT_SECONDS, self.process.kill)
        self._timer.start()
        self.output = ""
        self.url = self._read_url()

    def _read_url(self) -> str:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output += line
            if found := re.search(r"worker inspector: (http://\S+/)$", line):
                return found[1]
        raise AssertionError(f"no inspector:\n{self.output}")

    def wait(self) -> str:
        """Wait for the end of the process and return its output."""
        assert self.process.stdout is not None
        self.output += self.process.stdout.read()
        self.process.wait()
        return self.output

    def end(self) -> None:
        """End the process."""
        self._timer.cancel()
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


@contextmanager
def open_inspector(browser: Browser, url: str, **options: object) -> Iterator[Page]:
    """Open the inspector in a context of its own; it must report no error."""
    context = browser.new_context(**options)  # type: ignore[arg-type]
    inspector = context.new_page()
    problems: list[str] = []
    inspector.on("pageerror", lambda error: problems.append(str(error)))
    inspector.on(
        "console", lambda message: problems.append(message.text) if message.type == "error" else None
    )
    inspector.goto(url)
    try:
        yield inspector
        assert problems == []
    finally:
        context.close()


def require_accessible(page: Page) -> None:
    """Require that axe finds nothing."""
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
