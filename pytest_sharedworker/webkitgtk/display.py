"""The X server on which windows open that nobody sees."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import suppress

from pytest_sharedworker.errors import BrowserNotFoundError

_SCREEN = "1280x1024x24"
_END_SECONDS = 5.0


class VirtualDisplay:
    """An Xvfb of our own; `name` is for the variable DISPLAY."""

    def __init__(self) -> None:
        """Start it. Raise BrowserNotFoundError if it is not installed or does not start."""
        xvfb = shutil.which("Xvfb")
        if xvfb is None:
            raise BrowserNotFoundError(
                "WebKitGTK needs a display, and Xvfb is not installed: on Debian run `apt-get install xvfb`,"
                " or run pytest with --headed on a desktop"
            )
        reader, writer = os.pipe()
        # It chooses a free number itself, and writes it when it is ready.
        command = [xvfb, "-displayfd", str(writer), "-screen", "0", _SCREEN, "-nolisten", "tcp"]
        with open(reader, encoding="ascii") as number:
            try:
                self._process = subprocess.Popen(
                    [*end_with_parent(), *command],
                    pass_fds=[writer],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,  # A terminal's Ctrl-C must not end it before the browsers.
                )
            finally:
                os.close(writer)
            self.name = f":{number.readline().strip()}"
        if self.name == ":":
            self.close()
            raise BrowserNotFoundError(f"{xvfb} does not start")

    def close(self) -> None:
        """End it. Idempotent."""
        with suppress(ProcessLookupError):
            self._process.terminate()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def end_with_parent() -> list[str]:
    """Return what to put in front of a command so that it does not outlive a pytest that is killed."""
    setpriv = shutil.which("setpriv")
    return [] if setpriv is None else [setpriv, "--pdeathsig", "KILL"]
