"""`--browser-ws-endpoint`: the browsers run on a Playwright server.

The server is a real `playwright run-server`. It finds a browser in Playwright's folder of builds; the run
that uses it finds none on its machine. The example project passes only if pages, worker, control channel and
DevTools work over the connection. Not covered: Firefox, because the server needs Playwright's own build.
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


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
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
        [sys.executable, "-m", "playwright", "run-server", "--host", "127.0.0.1", "--port", "0"],
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


def run_example(endpoint: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the example where no local browser can start; `--browser-channel` selects the server's."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    environment |= {"CHROMIUM": "/no/browser/here", "PLAYWRIGHT_BROWSERS_PATH": "/no/browsers/here"}
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", str(EXAMPLE)),
            *("--browser-ws-endpoint", endpoint, "--browser-channel", "chromium", *options),
        ],
        env=environment,
        cwd=EXAMPLE,
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT_SECONDS,
    )


@pytest.mark.usefixtures("once_a_run")
def test_example_passes_in_a_remote_browser(server: str, browser_name: str, tmp_path: Path) -> None:
    run = run_example(server, "--output", str(tmp_path / "results"))
    assert "4 passed" in run.stdout, run.stdout
    assert run.returncode == pytest.ExitCode.OK


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
