"""Start wptserve, with the gateway's port in its substitutions where it serves behind a gateway."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryFile

START_TIMEOUT_SECONDS = 60
HOST = "localhost"
"""Pages on it are in a secure context; its subdomains resolve without an entry in /etc/hosts."""
OTHER_HOST = "127.0.0.1"


class ServeError(Exception):
    """wptserve does not start."""


@contextmanager
def serve(checkout: Path, advertised_port: int = 0) -> Iterator[int]:
    """Serve a checkout and give the port; the pages name `advertised_port` as theirs (0: the same).

    Raise ServeError.
    """
    port, *others = find_free_ports(8)
    names = ["http2", "https", "https2", "h2", "ws", "wss", "private"]
    ports = dict(zip(names, others, strict=True))
    config = {
        "browser_host": HOST,
        "alternate_hosts": {"alt": OTHER_HOST},
        "server_host": "127.0.0.1",
        "bind_address": True,
        "check_subdomains": False,
        "log_level": "critical",
        "ports": {
            "http": [advertised_port or port, ports["http2"]],
            "http-private": [ports["private"]],
            "http-public": [None],
            "https": [ports["https"], ports["https2"]],
            "https-private": [None],
            "https-public": [None],
            "h2": [ports["h2"]],
            "ws": [ports["ws"]],
            "wss": [ports["wss"]],
        },
    }
    options = {"config": config, "bind": {advertised_port: port} if advertised_port else {}}
    script = Path(__file__).with_name("serve_checkout.py")
    with TemporaryFile() as log:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(script), str(checkout), json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
        )
        try:
            _wait_until_ready(process, port, log.fileno())
            yield port
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(10)


def find_free_ports(count: int) -> list[int]:
    """Return ports that were free a moment ago."""
    with ExitStack() as sockets:
        bound = [sockets.enter_context(socket.socket()) for _ in range(count)]
        for each in bound:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in bound]


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, log: int) -> None:
    url = f"http://127.0.0.1:{port}/resources/testharnessreport.js"
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    with open(f"/proc/self/fd/{log}", "rb") as file:
        raise ServeError(f"wptserve does not start:\n{file.read().decode(errors='replace')[-3000:]}")
