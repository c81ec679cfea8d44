"""The command `python -m reference_server` as a process: a running server, or a command that exits."""

import json
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from threading import Thread

from unit.support.samples import ENDPOINT, encode_body

CHECKOUT = Path(__file__).resolve().parents[2]
TIMEOUT_SECONDS = 30
PYTHON = [sys.executable]


class Command:
    """A running server process and the URL that it logged."""

    def __init__(self, *arguments: object, python: Sequence[str] = PYTHON) -> None:
        self.process = subprocess.Popen(
            build_command_line(*arguments, python=python),
            cwd=CHECKOUT,
            env={},
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []
        address: Future[str | None] = Future()
        self._reader = Thread(target=self._read_log, args=(address,), daemon=True)
        self._reader.start()
        url = address.result(TIMEOUT_SECONDS)
        assert url, f"no address in {self.lines}"
        self.url = url

    def post(self, *members: object) -> int:
        """Post records and return the status of the response."""
        return self.post_raw(encode_body(*members))

    def post_raw(self, body: bytes) -> int:
        """Post a body of any bytes and return the status of the response."""
        headers = {"Content-Type": "application/json"}
        return self._send(urllib.request.Request(self.url + ENDPOINT, body, headers))

    def _send(self, request: urllib.request.Request) -> int:
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def get(self, path: str) -> dict[str, object]:
        """Return the JSON response for a path."""
        with urllib.request.urlopen(self.url + path, timeout=TIMEOUT_SECONDS) as response:
            content: dict[str, object] = json.load(response)
            return content

    def get_status(self, path: str, headers: Mapping[str, str]) -> int:
        """Return the status of the response for a path."""
        return self._send(urllib.request.Request(self.url + path, headers=dict(headers)))

    def get_metric(self, name: str) -> float:
        """Return the value of a metric without labels."""
        with urllib.request.urlopen(self.url + "metrics", timeout=TIMEOUT_SECONDS) as response:
            lines = response.read().decode().splitlines()
        [value] = [line.split()[1] for line in lines if line.startswith(f"{name} ")]
        return float(value)

    def stop(self, number: int) -> tuple[int, str]:
        """Send a signal, wait for the exit, and return the exit status and the log."""
        self.process.send_signal(number)
        status = self.process.wait(TIMEOUT_SECONDS)
        self._reader.join()
        return status, "".join(self.lines)

    def kill(self) -> None:
        """Kill the process if it is still running."""
        self.process.kill()
        self.process.wait()
        self._reader.join()

    def _read_log(self, address: "Future[str | None]") -> None:
        """Read the log to its end, so that the server never blocks on a full pipe."""
        assert self.process.stderr
        with self.process.stderr as log:
            for line in log:
                self.lines.append(line)
                found = re.search(r"listening on (http://\S+/)$", line)
                if found and not address.done():
                    address.set_result(found[1])
        if not address.done():
            address.set_result(None)


StartCommand = Callable[..., Command]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command that exits by itself."""
    return subprocess.run(
        build_command_line(*arguments),
        cwd=CHECKOUT,
        env={},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )


def start(*arguments: object) -> "subprocess.Popen[str]":
    """Start a command that Ctrl-C can interrupt, even if these tests run in the background of a shell."""
    return subprocess.Popen(
        build_command_line(*arguments),
        cwd=CHECKOUT,
        env={},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def limit_files(size: int) -> list[str]:
    """Return a Python process that cannot write a file beyond a size: a write fails as on a full disk."""
    limit = (
        "import os, resource, sys\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))\n"
        "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    return [*PYTHON, "-c", limit]


def build_command_line(*arguments: object, python: Sequence[str] = PYTHON) -> list[str]:
    """Return the arguments of the process."""
    return [*python, "-m", "reference_server", *map(str, arguments)]
