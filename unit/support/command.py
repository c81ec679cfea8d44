"""`python -m reference_server` as a process, for tests: one that serves, and ones that end by themselves."""

import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from threading import Thread

from unit.support.samples import ENDPOINT, body_of

CHECKOUT = Path(__file__).resolve().parents[2]
TIMEOUT_SECONDS = 30
PYTHON = [sys.executable]


class Command:
    """A running server process and the URL that it logged."""

    def __init__(self, *arguments: object, python: Sequence[str] = PYTHON) -> None:
        self.process = subprocess.Popen(
            command_line(*arguments, python=python),
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
        """Post records and give the status of the answer."""
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + ENDPOINT, body_of(*members), headers)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def get(self, path: str) -> dict[str, object]:
        """Give the JSON that a path answers with."""
        with urllib.request.urlopen(self.url + path, timeout=TIMEOUT_SECONDS) as answer:
            content: dict[str, object] = json.load(answer)
            return content

    def end(self, number: int) -> tuple[int, str]:
        """Send a signal; give the exit status and everything that was logged."""
        self.process.send_signal(number)
        status = self.process.wait(TIMEOUT_SECONDS)
        self._reader.join()
        return status, "".join(self.lines)

    def kill(self) -> None:
        """End it at once, if it has not ended."""
        self.process.kill()
        self.process.wait()
        self._reader.join()

    def _read_log(self, address: "Future[str | None]") -> None:
        """Read to the end, so that the server never waits for room to write in."""
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
    """Run the command to its end, which comes by itself."""
    return subprocess.run(
        command_line(*arguments),
        cwd=CHECKOUT,
        env={},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )


def command_line(*arguments: object, python: Sequence[str] = PYTHON) -> list[str]:
    """Give the words that run the command."""
    return [*python, "-m", "reference_server", *map(str, arguments)]
