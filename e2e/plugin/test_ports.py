"""Virtual time waits for what a page posted to a worker on ports that the worker reads, and for no more."""

from __future__ import annotations

import pytest

from e2e.plugin.app import ECHO, App

COUNTER = "self.n = 0; setInterval(() => n++, 1000);"


def post(app: App, *messages: object) -> None:
    [page] = app.context.pages
    page.evaluate("(messages) => messages.forEach((each) => worker.port.postMessage(each))", list(messages))


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(
            "const ports = new Set(); onconnect = (event) => ports.add(event.ports[0]);", id="push-only"
        ),
        pytest.param(
            "const ports = []; onconnect = (event) => ports.push(event.ports[0]);"
            " setInterval(() => ports.forEach((port) => port.postMessage(n)), 1000);",
            id="broadcaster",
        ),
        pytest.param("", id="without-onconnect"),
        pytest.param(
            "onconnect = ({ ports: [port] }) => port.addEventListener('message', () => {});", id="not-started"
        ),
        pytest.param(
            "onconnect = ({ ports: [port] }) => { const { port1 } = new MessageChannel();"
            " port1.postMessage(null, [port]); };",
            id="passed-on",
        ),
    ],
)
@pytest.mark.parametrize("messages", [[], ["a", "b"]], ids=["silent-page", "posting-page"])
def test_time_passes_for_a_worker_that_does_not_read_its_ports(
    app: App, script: str, messages: list[str]
) -> None:
    worker = app.start(script + COUNTER)
    post(app, *messages)
    worker.clock.run_for(3_000)
    assert worker.evaluate("n") == 3
    post(app, *messages)
    worker.clock.run_for(3_000)
    assert worker.evaluate("n") == 6


def test_time_waits_for_a_worker_that_listens_late(app: App) -> None:
    worker = app.start(
        "self.log = []; onconnect = async ({ ports: [port] }) => { await fetch('/'); await fetch('/');"
        " port.onmessage = ({ data }) => log.push([data, performance.now()]); };"
    )
    post(app, "a")
    worker.clock.run_for(1_000)
    assert worker.evaluate("log") == [["a", 0]]


BROKER = """
const ports = [];
onconnect = ({ ports: [port] }) => {
    port.start();
    if (ports.push(port) === 2) ports[0].postMessage("a tab", [port]);
};
"""


def test_who_gets_a_port_of_the_worker_sees_no_message_of_the_plugin(app: App) -> None:
    worker = app.start(BROKER + COUNTER)
    [receiver] = app.context.pages
    receiver.evaluate(
        """() => {
            window.heard = [];
            const hear = ({ data }) => { heard.push(data); };
            worker.port.onmessage = ({ ports: [port] }) => { port.onmessage = hear; };
        }"""
    )
    other = app.open()
    app.connect(other)
    receiver.evaluate("() => { worker.port.postMessage('to the worker'); }")
    for message in ("a", "b"):
        other.evaluate("(message) => worker.port.postMessage(message)", message)
        worker.clock.run_for(3_000)
    receiver.wait_for_function("heard.length >= 2")
    assert receiver.evaluate("heard") == ["a", "b"]
    assert worker.evaluate("n") == 6


def test_time_passes_for_a_port_that_the_page_hands_on(app: App) -> None:
    worker = app.start(ECHO + COUNTER)
    [page] = app.context.pages
    page.evaluate("() => { new MessageChannel().port1.postMessage(null, [worker.port]); }")
    worker.clock.run_for(3_000)
    assert worker.evaluate("n") == 3


def test_every_message_is_read_before_time_moves(app: App) -> None:
    worker = app.start(ECHO)
    for turn in range(20):
        post(app, *range(50))
        worker.clock.run_for(1_000)
        log = worker.evaluate("log")
        assert len(log) == 50 * (turn + 1)
        assert log[-1] == [49, turn * 1_000]


def test_worker_sees_no_message_of_the_plugin(app: App) -> None:
    worker = app.start(
        "self.seen = []; const { addEventListener } = MessagePort.prototype;"
        "onconnect = ({ ports: [port] }) => { port.onmessage = ({ data }) => seen.push(data); };"
    )
    post(app, "a")
    worker.clock.run_for(1_000)
    post(app, "b")
    worker.clock.run_for(1_000)
    assert worker.evaluate("seen") == ["a", "b"]
