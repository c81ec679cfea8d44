"""Interrupted and killed runs leave no browser and no driver; after a timeout the next test runs.

Each test starts another pytest process. The test in that process connects to a socket when it waits; then
this process sends the signal.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

CHECKOUT = Path(__file__).parents[2]
END_TIMEOUT_SECONDS = 60
"""The time for a run to clean up; pytest-xdist grants its processes ten seconds."""
EXIT_TIMEOUT_SECONDS = 15
"""The time for a process to end after its run."""

MARK = "PYTEST_SHAREDWORKER_TEST_OF_INTERRUPTS"
"""A variable in the environment of a run, which all its processes inherit."""

WAITING_TEST = """
import os, socket

import pytest

@pytest.mark.parametrize("number", range(2))
def test_waits(page, gateway, shared_workers, number):
    gateway.serve("/", "<title>a tab</title>", content_type="text/html")
    gateway.serve("/worker.js", "onconnect = () => {};")
    page.goto(gateway.url + "/")
    page.evaluate("() => { self.worker = new SharedWorker('/worker.js'); }")
    shared_workers.wait_for()
    socket.create_connection(("127.0.0.1", int(os.environ["PORT"]))).close()
    page.wait_for_timeout(600_000)
"""

pytestmark = pytest.mark.skipif(
    not Path("/proc").is_dir() or not hasattr(os, "pidfd_open"), reason="processes are listed on Linux only"
)


class Run:
    """A run whose tests wait without end, and all processes that it has started."""

    def __init__(self, folder: Path, temporary: Path, browser_name: str, processes: int) -> None:
        self._mark = f"{MARK}={folder}"
        self.temporary = temporary
        (folder / "test_waiting.py").write_text(WAITING_TEST)
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.settimeout(END_TIMEOUT_SECONDS)
            environment = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
            environment |= {
                MARK: str(folder),
                "PORT": str(server.getsockname()[1]),
                "TMPDIR": str(self.temporary),
                "PYTHONPATH": str(CHECKOUT),
            }
            command = [sys.executable, "-m", "pytest", "--installed-browser", "--browser", browser_name]
            if processes > 1:
                command += ["-n", str(processes)]
            self._process = subprocess.Popen(
                [*command, "--rootdir", str(folder), "--basetemp", str(folder / "base"), str(folder)],
                cwd=folder,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # As a shell in a terminal does with every command.
                # Tests that run in the background of a shell ignore Ctrl-C; the child would inherit that.
                preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
            )
            for _ in range(processes):
                server.accept()[0].close()

    def send(self, number: signal.Signals, *, to_all: bool) -> int:
        """Send a signal to pytest, or to all processes as a terminal does; return the exit status."""
        (os.killpg if to_all else os.kill)(self._process.pid, number)
        return self._process.wait(END_TIMEOUT_SECONDS)

    def list_leftovers(self) -> list[str]:
        """Return the commands of processes that do not end in time."""
        return [command for process_id, command in self._list_processes() if not _wait_for_end(process_id)]

    def kill(self) -> None:
        """Kill all remaining processes."""
        for process_id, _ in self._list_processes():
            with suppress(OSError):
                os.kill(process_id, signal.SIGKILL)
        self._process.wait()

    def _list_processes(self) -> Iterator[tuple[int, str]]:
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # The process has ended.
                if self._mark.encode() in (folder / "environ").read_bytes().split(b"\0"):
                    yield int(folder.name), (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()


def _wait_for_end(process_id: int) -> bool:
    """Wait for a process to end; return False after the time limit."""
    try:
        descriptor = os.pidfd_open(process_id)
    except OSError:
        return True
    try:
        return bool(select.select([descriptor], [], [], EXIT_TIMEOUT_SECONDS)[0])
    finally:
        os.close(descriptor)


@pytest.fixture
def start(tmp_path: Path, browser_name: str) -> Iterator[Callable[[int], Run]]:
    runs: list[Run] = []
    # A short path: Chromium creates a socket in it, whose path is limited to 107 characters.
    with TemporaryDirectory(ignore_cleanup_errors=True) as temporary:

        def start(processes: int) -> Run:
            runs.append(Run(tmp_path, Path(temporary), browser_name, processes))
            return runs[-1]

        yield start
        for run in runs:
            run.kill()


TEST_WITHOUT_END = """
def test_waits_without_end(page):
    page.evaluate("() => new Promise(() => {})")

def test_next(page):
    assert page.evaluate("1 + 1") == 2
"""


def test_timed_out_test_fails_and_the_next_one_runs(tmp_path: Path, browser_name: str) -> None:
    (tmp_path / "test_time.py").write_text(TEST_WITHOUT_END)
    command = [sys.executable, "-m", "pytest", "--installed-browser", "--browser", browser_name]
    run = subprocess.run(
        [*command, "--timeout", "15", "--rootdir", str(tmp_path), str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        timeout=END_TIMEOUT_SECONDS,
    )
    assert run.returncode == pytest.ExitCode.TESTS_FAILED
    assert "Timeout (>15" in run.stdout
    assert "1 failed, 1 passed" in run.stdout


@pytest.mark.parametrize("processes", [1, 2], ids=["one process", "xdist"])
@pytest.mark.parametrize("to_all", [False, True], ids=["pytest only", "all processes"])
def test_interrupted_run_leaves_no_processes(
    start: Callable[[int], Run], processes: int, to_all: bool
) -> None:
    run = start(processes)
    # Usually INTERRUPTED; 1 if an error occurs while pytest writes its last lines.
    assert run.send(signal.SIGINT, to_all=to_all) != pytest.ExitCode.OK
    assert run.list_leftovers() == []
    if processes == 1:  # On a slow machine pytest-xdist kills a process before it has removed its folder.
        assert [path.name for path in run.temporary.iterdir()] == []


def test_killed_run_leaves_no_processes(start: Callable[[int], Run]) -> None:
    run = start(1)
    run.send(signal.SIGKILL, to_all=True)
    assert run.list_leftovers() == []
