"""socket.io in a worker, by WebSocket and by long polls."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from e2e.programs.packages import start_node
from pytest_sharedworker import Clock, Gateway, SharedWorkers

SERVER = """
const { createServer } = require("node:http");
const { Server } = require("socket.io");
const http = createServer();
new Server(http).on("connection", (socket) => {
    socket.on("ask", (question, answer) => answer(`${question}, by ${socket.conn.transport.name}`));
});
http.listen(0, "127.0.0.1", () => console.log(`listening on ${http.address().port}`));
"""
WORKER = """
importScripts("/client/socket.io.js");
self.seconds = 0;
setInterval(() => { seconds += 1; }, 1000);
self.answers = [];
const socket = io({ transports: [self.name] });
setInterval(() => socket.emit("ask", seconds, (answer) => answers.push(answer)), 5100);
onconnect = ({ ports: [port] }) => { port.onmessage = () => port.postMessage(answers); };
"""


@pytest.fixture
def gateway_upstream(packages: Path, tmp_path: Path) -> Iterator[str]:
    """Return a server of socket.io."""
    (tmp_path / "node_modules").symlink_to(packages, target_is_directory=True)
    (tmp_path / "server.cjs").write_text(SERVER, encoding="utf-8")
    with start_node("server.cjs", cwd=tmp_path, ready="listening on") as line:
        yield f"http://127.0.0.1:{line.split()[-1]}"


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_messages_arrive_on_virtual_time(
    page: Page,
    gateway: Gateway,
    shared_workers: SharedWorkers,
    worker_clock: Clock,
    packages: Path,
    transport: str,
) -> None:
    gateway.serve_directory("/client/", packages / "socket.io-client" / "dist")
    gateway.serve("/worker.js", WORKER)
    gateway.serve(
        "/", f"<!doctype html><script>new SharedWorker('/worker.js', '{transport}').port.start()</script>"
    )
    page.goto("/")
    worker = shared_workers.wait_for("/worker.js")
    worker_clock.run_for(11_000)
    assert worker.evaluate("seconds") == 11
    worker.wait_for_function("answers.length === 2")
    assert worker.evaluate("answers") == [f"5, by {transport}", f"10, by {transport}"]
    assert worker.errors() == []
