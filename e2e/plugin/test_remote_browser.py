"""`--browser-ws-endpoint`: the browsers run on a Playwright server.

The server is a real `playwright run-server`. It finds a browser in Playwright's folder of builds; the run
that uses it finds none on its machine. The example project passes only if pages, worker, control channel and
DevTools work over the connection, the one with https only if the proxy's address and certificates reach the
browser. Not covered: Firefox, because the server needs Playwright's own build.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_sharedworker.browsers.discovery import find_browser

EXAMPLE = Path(__file__).parents[2] / "examples" / "counter"
RUN_TIMEOUT_SECONDS = 100
STOP_TIMEOUT_SECONDS = 10

CLOSED_PORT = 9
"""The port of the discard service, which no machine serves."""

REMOTE_CHROMIUM = """#!/bin/sh
exec '{chromium}' --proxy-server=127.0.0.1:{closed_port} '--proxy-bypass-list=<-loopback>' "$@"
"""
"""A Chromium that cannot reach 127.0.0.1, as on another machine, unless it gets another proxy."""

PRINT_PATH = """
from playwright.sync_api import sync_playwright
with sync_playwright() as playwright:
    print(playwright.chromium.executable_path)
"""


HTTPS_PROJECT = """
def test_worker_of_an_https_app_posts_to_another_origin(gateway_app, page, gateway, shared_workers):
    assert gateway.context_options["proxy"]["server"].startswith("http://localhost:")
    page.goto("https://app.example.test/")
    worker = shared_workers.wait_for("**/worker.js")
    with gateway.expect_response("POST https://api.example.test/save"):
        worker.evaluate("send()")
"""
HTTPS_APP = """
import pytest

@pytest.fixture
def gateway_app(gateway):
    app = gateway.origin("https://app.example.test")
    app.serve("/", "<script>new SharedWorker('/worker.js').port.start()</script>", content_type="text/html")
    app.serve("/worker.js", "onconnect = () => {}; self.send = () => { fetch("
              "'https://api.example.test/save', { method: 'POST', mode: 'no-cors' }); };")
    gateway.origin("https://api.example.test").serve("/save")
"""


@pytest.fixture
def server_options() -> list[str]:
    """Return no options of the server; a test may override them."""
    return []


@pytest.fixture
def server(tmp_path: Path, server_options: list[str]) -> Iterator[str]:
    """Start a Playwright server with a Chromium; return its address."""
    environment = {**os.environ, "PLAYWRIGHT_BROWSERS_PATH": str(tmp_path / "builds")}
    result = subprocess.run(
        [sys.executable, "-c", PRINT_PATH], env=environment, capture_output=True, text=True, check=True
    )
    build = Path(result.stdout.strip())
    build.parent.mkdir(parents=True)
    chromium = find_browser("chromium").executable
    build.write_text(REMOTE_CHROMIUM.format(chromium=chromium, closed_port=CLOSED_PORT))
    build.chmod(0o755)
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "playwright", "run-server", "--host", "127.0.0.1", "--port", "0"),
            *server_options,
        ],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # The command starts a child process; both must end.
    )
    assert process.stdout is not None
    try:
        address = re.search(r"ws://\S+", process.stdout.readline())
        assert address is not None
        yield address[0]
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(STOP_TIMEOUT_SECONDS)
        process.stdout.close()


def run_example(endpoint: str, *options: str, project: Path = EXAMPLE) -> subprocess.CompletedProcess[str]:
    """Run a project where no local browser can start; `--browser-channel` selects the server's."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    environment |= {"CHROMIUM": "/no/browser/here", "PLAYWRIGHT_BROWSERS_PATH": "/no/browsers/here"}
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", str(project)),
            *("--browser-ws-endpoint", endpoint, "--browser-channel", "chromium", *options),
        ],
        env=environment,
        cwd=project,
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT_SECONDS,
    )


@pytest.mark.usefixtures("once_a_run")
def test_example_passes_in_a_remote_browser(server: str, browser_name: str, tmp_path: Path) -> None:
    run = run_example(server, "--output", str(tmp_path / "results"))
    assert "4 passed" in run.stdout, run.stdout
    assert run.returncode == pytest.ExitCode.OK


@pytest.fixture
def https_project(tmp_path: Path) -> Path:
    """Return a folder with a test that needs the gateway's proxy, and its certificates."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "conftest.py").write_text(HTTPS_APP)
    (project / "test_https.py").write_text(HTTPS_PROJECT)
    return project


@pytest.mark.usefixtures("once_a_run")
@pytest.mark.parametrize("server_options", [["--unsafe"]])
def test_https_origins_work_in_a_remote_browser(server: str, browser_name: str, https_project: Path) -> None:
    run = run_example(server, "--gateway-proxy-host", "localhost", project=https_project)
    assert "1 passed" in run.stdout, run.stdout
    assert run.returncode == pytest.ExitCode.OK


@pytest.mark.usefixtures("once_a_run")
def test_server_that_passes_on_no_arguments_is_named(
    server: str, browser_name: str, https_project: Path
) -> None:
    run = run_example(server, "--gateway-proxy-host", "localhost", project=https_project)
    assert "run-server --unsafe" in run.stdout, run.stdout
    assert run.returncode == pytest.ExitCode.TESTS_FAILED


@pytest.mark.usefixtures("once_a_run")
def test_unreachable_endpoint_is_named(browser_name: str, tmp_path: Path) -> None:
    run = run_example(
        f"ws://127.0.0.1:{CLOSED_PORT}/", "-k", "init_script", "--output", str(tmp_path / "results")
    )
    assert f"ECONNREFUSED 127.0.0.1:{CLOSED_PORT}" in run.stdout
    assert run.returncode == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/", "ws://", "ws://[", "3000", ""])
def test_invalid_endpoint_is_a_usage_error(address: str) -> None:
    run = run_example(address)
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert "give an address as `playwright run-server` prints it" in run.stderr
