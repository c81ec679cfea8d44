"""The option --gateway-proxy: a suite that knows nothing of the plugin, in front of an app that is deployed.

Here the deployed app is a server on localhost; the tests run in a process of their own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

pytest_plugins = ["pytester"]

SUITE = """
def test_app(page):
    page.goto("/")
    page.wait_for_function("window.got === 'data'")
    assert page.title() == "deployed"{end}
"""


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files and writes no log."""

    def log_message(self, *_: object) -> None:
        """Write nothing."""


@pytest.fixture
def deployed_app(tmp_path: Path) -> Iterator[str]:
    """Serve an app whose worker fetches data for its tab; return its origin."""
    files = {
        "index.html": """<!doctype html><title>deployed</title><script>
            const { port } = new SharedWorker("/worker.js");
            port.onmessage = ({ data }) => { window.got = data; };
        </script>""",
        "worker.js": """onconnect = async ({ ports: [port] }) => {
            port.postMessage(await (await fetch("/data.txt")).text());
        };""",
        "data.txt": "data",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=tmp_path)) as server:
        Thread(target=server.serve_forever).start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()


def run(
    pytester: pytest.Pytester, browser_name: str, app: str, suite: str, *options: str
) -> pytest.RunResult:
    """Run a suite against the app."""
    pytester.makeini("[pytest]\naddopts = -p no:cacheprovider -p no:asyncio\n")
    pytester.makepyfile(suite)
    base = ("--installed-browser", "--browser", browser_name, "--base-url", app)
    return pytester.runpytest_subprocess(*base, *options, timeout=100)


def test_failed_test_of_a_suite_shows_its_workers_requests(
    pytester: pytest.Pytester, browser_name: str, deployed_app: str
) -> None:
    suite = SUITE.format(end="\n    assert False")
    run(pytester, browser_name, deployed_app, suite, "--gateway-proxy").assert_outcomes(failed=1)
    [archive] = pytester.path.glob("test-results/*/journal.har")
    entries = json.loads(archive.read_text(encoding="utf-8"))["log"]["entries"]
    seen = {entry["request"]["url"]: entry["_sender"] for entry in entries}
    assert seen[f"{deployed_app}/data.txt"] == "worker"
    assert (archive.parent / "worker-console.txt").is_file()


def test_test_can_time_and_break_the_deployed_app(
    pytester: pytest.Pytester, browser_name: str, deployed_app: str
) -> None:
    suite = """
from pytest_sharedworker import HttpStatus

def test_app(page, gateway, shared_workers, base_url):
    gateway.add_toxic(HttpStatus(503), on=f"{base_url}/data.txt", times=1)
    page.goto("/")
    worker = shared_workers.wait_for("**/worker.js")
    assert worker.url == f"{base_url}/worker.js"
    [request] = gateway.journal.wait_for(f"{base_url}/data.txt")
    assert (request.status, request.sender) == (503, "worker")
"""
    run(pytester, browser_name, deployed_app, suite, "--gateway-proxy").assert_outcomes(passed=1)


def test_without_the_option_nothing_is_recorded(
    pytester: pytest.Pytester, browser_name: str, deployed_app: str
) -> None:
    suite = SUITE.format(end="\n    assert False")
    run(pytester, browser_name, deployed_app, suite).assert_outcomes(failed=1)
    assert not list(pytester.path.glob("test-results/*/journal.har"))
