"""Virtual time waits for what a page posted to a worker on ports that the worker reads, and for no more."""

from __future__ import annotations

import pytest
from playwright.sync_api import Error as PlaywrightError

from e2e.plugin.app import ECHO, App
from pytest_sharedworker import ClockError, Latency

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
onconnect = async ({{ ports: [port] }}) => {{
    if (ports.push(port) === 2) {{
        {before}
        ports[0].postMessage("a tab", [port]);
    }}
    port.start();
}};
"""
HEAR = """() => {
    window.heard = [];
    const hear = ({ data }) => { heard.push(data); };
    worker.port.onmessage = ({ ports: [port] }) => { port.onmessage = hear; };
}"""


@pytest.mark.parametrize(
    "before",
    [
        pytest.param("port.start();", id="started"),
        # Long enough for the other tab to post, and for time to be asked to move.
        pytest.param("importScripts('/slow.js');", id="after-a-long-task"),
        pytest.param("await fetch('/slow');", id="after-a-response"),
    ],
)
def test_who_gets_a_port_of_the_worker_sees_no_message_of_the_plugin(app: App, before: str) -> None:
    for path, latency in (("/slow", 200), ("/slow.js", 2_000)):
        app.gateway.serve(path, "")
        app.gateway.add_toxic(Latency(latency), on=path, optional=True)
    worker = app.start(BROKER.format(before=before) + COUNTER)
    [receiver] = app.context.pages
    receiver.evaluate(HEAR)
    other = app.open()
    app.connect(other)
    receiver.evaluate("() => { worker.port.postMessage('to the worker'); }")
    for message in ("a", "b"):
        other.evaluate("(message) => worker.port.postMessage(message)", message)
        worker.clock.run_for(3_000)
    receiver.wait_for_function("heard.length >= 2")
    assert receiver.evaluate("heard") == ["a", "b"]
    assert worker.evaluate("n") == 6


@pytest.mark.virtual_tabs
def test_who_gets_a_port_later_sees_no_message_of_the_plugin(app: App) -> None:
    """The tab does not read its port when it is introduced, but when the worker has passed it on."""
    worker = app.start(
        "self.ports = []; onconnect = ({ ports: [port] }) => { ports.push(port); port.start(); };" + COUNTER
    )
    [receiver] = app.context.pages
    receiver.evaluate(HEAR)
    other = app.open()
    other.evaluate(
        "() => { window.worker = new SharedWorker('/worker.js', {}); worker.port.postMessage('early'); }"
    )
    worker.clock.run_for(1_000)
    worker.evaluate("() => { ports[0].postMessage('a tab', [ports[1]]); }")
    worker.clock.run_for(1_000)
    other.evaluate("() => { worker.port.onmessage = () => {}; worker.port.postMessage('late'); }")
    worker.clock.run_for(1_000)
    receiver.wait_for_function("heard.length >= 1")
    assert receiver.evaluate("heard") == ["late"]


def test_time_passes_for_a_port_that_the_page_hands_on(app: App) -> None:
    worker = app.start(ECHO + COUNTER)
    [page] = app.context.pages
    page.evaluate("() => { new MessageChannel().port1.postMessage(null, [worker.port]); }")
    worker.clock.run_for(3_000)
    assert worker.evaluate("n") == 3


TO_A_CHANNEL = "const { port1, port2 } = new MessageChannel(); port1.postMessage(null, [worker.port]);"
TO_A_WORKER = "window.child = new Worker('/child.js'); child.postMessage(null, [worker.port]);"
TO_A_FRAME = "frames[0].postMessage(null, '*', [worker.port]);"
CHILD = "onmessage = ({ ports: [port] }) => { port.onmessage = ({ data }) => postMessage(data); };"
SPEAKER = (
    "onconnect = ({ ports: [port] }) => { port.start(); setInterval(() => port.postMessage(n), 1000); };"
)


@pytest.mark.virtual_tabs
@pytest.mark.parametrize("is_read", [True, False], ids=["read", "unread"])
@pytest.mark.parametrize("hand_on", [TO_A_CHANNEL, TO_A_WORKER], ids=["channel", "worker"])
def test_time_passes_for_a_tab_that_hands_on_the_port_of_its_clock(
    app: App, hand_on: str, is_read: bool
) -> None:
    worker = app.start(SPEAKER + COUNTER)
    app.gateway.serve("/child.js", CHILD)
    other = app.open()
    other.evaluate(
        """(isRead) => {
            window.worker = new SharedWorker("/worker.js", {});
            if (isRead) worker.port.onmessage = () => {};
            worker.port.postMessage(0);
        }""",
        is_read,
    )
    worker.clock.run_for(1_000)
    other.evaluate(f"() => {{ {hand_on} }}")
    worker.clock.run_for(3_000)
    assert worker.evaluate("n") == 4


@pytest.mark.virtual_tabs
def test_who_gets_a_port_of_a_tab_sees_no_message_of_the_plugin(app: App) -> None:
    worker = app.start(SPEAKER + COUNTER)
    app.gateway.serve("/child.js", CHILD)
    [page] = app.context.pages
    post(app, 0)
    worker.clock.run_for(1_000)
    page.evaluate(
        f"() => {{ {TO_A_WORKER} window.heard = []; child.onmessage = ({{ data }}) => heard.push(data); }}"
    )
    worker.clock.run_for(3_000)
    page.wait_for_function("heard.length >= 3")
    assert page.evaluate("heard") == [2, 3, 4]


@pytest.mark.virtual_tabs
@pytest.mark.parametrize(
    "sender", ["new MessageChannel().port1", "new Worker('/child.js')"], ids=["port", "worker"]
)
def test_tab_that_keeps_its_port_moves_along(app: App, sender: str) -> None:
    """The browser refuses what cannot be copied, and the port stays the tab's."""
    worker = app.start(ECHO + COUNTER)
    app.gateway.serve("/child.js", CHILD)
    [page] = app.context.pages
    post(app, "a")
    worker.clock.run_for(1_000)
    page.evaluate("() => { window.times = []; setInterval(() => times.push(performance.now()), 1_000); }")
    with pytest.raises(PlaywrightError, match="not be cloned"):
        page.evaluate(f"() => {{ {sender}.postMessage(() => {{}}, [worker.port]); }}")
    worker.clock.run_for(3_000)
    assert page.evaluate("times.length") == 3


@pytest.mark.virtual_tabs
def test_tab_that_hands_on_the_port_of_its_clock_unseen_is_named(app: App) -> None:
    worker = app.start(ECHO + COUNTER)
    [page] = app.context.pages
    page.evaluate("() => { document.body.append(document.createElement('iframe')); }")
    post(app, "a")
    worker.clock.run_for(1_000)
    page.evaluate(f"() => {{ {TO_A_FRAME} }}")
    with pytest.raises(ClockError, match=r"waits for 1 of its tabs to reply; .* passed on its port\?"):
        worker.clock.run_for(1_000, timeout=1_000)


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
