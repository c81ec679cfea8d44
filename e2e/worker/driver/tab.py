"""A tab that speaks the wire protocol with a worker, like an implementation's own client."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from e2e.conformance.accounting import Event, Fate
from e2e.conformance.case import FindingError
from e2e.conformance.report.timeline import Kind
from e2e.conformance.targets.worker import Implementation

READY_TIMEOUT_MS = 10_000
NO_READY = (
    "none within {seconds} s; messages so far: {messages}. For other names of messages, set `ready`,"
    " `log_event` and `shutdown` in the table [protocol] of the worker's TOML file; for messages of another"
    " shape, write an adapter (docs/how-to/adapter.md)"
)
NOT_STARTED = (
    '{message}. Has it a syntax error, is it a module (type = "module" in the table [worker] of its TOML'
    " file), does it import files that are not served (`directory`), or has a build step to bundle it first?"
)

Record = Callable[[str, Kind, str], None]
"""Adds a mark to the timeline: the tab's name, the kind of its action and a short text."""

DEFAULT_COMPONENT = "mlflow.experiment_list.create_button"

CONNECT = """({ url, options, ready }) => {
    const worker = new SharedWorker(url, options);
    // An earlier port may still receive messages; they go into the earlier list.
    const messages = window.messages = [];
    window.port = worker.port;
    window.ready = new Promise((resolve, reject) => {
        worker.addEventListener("error", (event) =>
            reject(new Error(`the worker failed to start: ${event.message || "no message"}`)));
        worker.port.onmessage = ({ data }) => {
            messages.push(data);
            if (data && data.type === ready) resolve(true);
        };
    });
}"""

_CONNECT_ALL = f"""(starts) => {{
    window.ports = [];
    const starting = starts.map((start) => {{
        ({CONNECT})(start);
        window.ports.push(window.port);
        return window.ready;
    }});
    window.ready = Promise.all(starting);
}}"""

_LOG = """({ type, tab, first, count, installation, component, interval_ms, tab_id }) => {
    let sequence = first;
    const log = () => {
        const seq = sequence++;
        window.port.postMessage({ type, payload: {
            installation_id: installation,
            event_name: "ui_event",
            timestamp_ns: Date.now() * 1e6,
            params: {
                componentId: component, componentViewId: `${tab}/${seq}`,
                componentType: "button", eventType: "onClick",
            },
            ...(tab_id && { tab_id, seq }),
        } });
    };
    if (interval_ms === null) {
        while (sequence < first + count) log();
    } else {
        const timer = setInterval(() => {
            log();
            if (sequence === first + count) clearInterval(timer);
        }, interval_ms);
    }
}"""


class HandshakeError(FindingError):
    """The worker did not post READY, or did not start."""


class Tab:
    """One tab: a page of the app's origin with a port to the worker."""

    def __init__(
        self,
        page: Page,
        name: str,
        implementation: Implementation,
        script_url: str,
        record: Record = lambda name, kind, text: None,
    ) -> None:
        self.page = page
        self.name = name
        self.events: list[Event] = []
        self.installation_id = f"installation-of-{name}"
        self.tab_id: str | None = None
        """If set, the events carry it and a `seq`: a worker that implements STORED then confirms them."""
        self.is_extended = False
        """Whether the tab starts the worker with an extended lifetime, under its name for that."""
        self._implementation = implementation
        self.script_url = script_url
        self._record = record

    def connect(self, worker_name: str | None = None) -> None:
        """Start or join the worker and wait for READY. Raise HandshakeError if READY does not arrive."""
        self.start_worker(worker_name)
        self._wait_until_ready()

    def connect_all(self, worker_names: Sequence[str]) -> None:
        """Start a worker of each name, all at once, and wait for READY of each. Raise HandshakeError.

        `use_worker` chooses the one to which the tab then logs.
        """
        self._record(self.name, Kind.OPENED, f"connects to {len(worker_names)} workers")
        self.page.evaluate(_CONNECT_ALL, [self.get_start_arguments(name) for name in worker_names])
        self._wait_until_ready()

    def use_worker(self, index: int) -> None:
        """Log to this worker of those that `connect_all` has started from now on."""
        self.page.evaluate("(index) => { window.port = window.ports[index]; }", index)

    def _wait_until_ready(self) -> None:
        protocol = self._implementation.protocol
        try:
            self.page.wait_for_function("() => window.ready", timeout=READY_TIMEOUT_MS)
        except PlaywrightTimeout:
            seen = NO_READY.format(seconds=READY_TIMEOUT_MS // 1000, messages=self.messages)
            raise HandshakeError(f"{protocol.ready} as soon as the tab connects", seen) from None
        except PlaywrightError as error:
            seen = NOT_STARTED.format(message=error.message.partition("\n")[0])
            raise HandshakeError(f"{protocol.ready} as soon as the tab connects", seen) from None

    def start_worker(self, worker_name: str | None = None) -> None:
        """Start or join the worker without waiting for READY."""
        self._record(self.name, Kind.OPENED, "connects")
        self.page.evaluate(CONNECT, self.get_start_arguments(worker_name))

    def get_start_arguments(self, worker_name: str | None = None) -> dict[str, Any]:
        """Return the argument of the script `CONNECT`."""
        protocol, worker = self._implementation.protocol, self._implementation.worker
        options: dict[str, Any] = {"name": worker_name or worker.name, "type": worker.type}
        if self.is_extended:
            options |= {"name": worker.extended_name, "extendedLifetime": True}
        return {"url": self.script_url, "options": options, "ready": protocol.ready}

    def log(
        self,
        count: int = 1,
        *,
        component: str = DEFAULT_COMPONENT,
        fate: Fate = Fate.STORED,
        interval_ms: int | None = None,
    ) -> list[Event]:
        """Log `count` events, all at once or one every `interval_ms` of the tab's time.

        `fate` is the outcome that the accounting requires for them.
        """
        first = len(self.events)
        self._post_events(first, count, component, interval_ms)
        events = [Event(f"{self.name}/{first + i}", self.name, first + i, fate) for i in range(count)]
        self.events += events
        return events

    def log_again(self, count: int, *, component: str = DEFAULT_COMPONENT) -> None:
        """Post the last `count` events again, as a tab does whose worker has not confirmed them."""
        self._post_events(len(self.events) - count, count, component, None)

    def _post_events(self, first: int, count: int, component: str, interval_ms: int | None) -> None:
        keys = f"{self.name}/{first}" + (f" to {first + count - 1}" if count > 1 else "")
        pace = "" if interval_ms is None else f", one every {interval_ms} ms"
        what = "" if component == DEFAULT_COMPONENT else f" of {component}"
        self._record(self.name, Kind.EVENTS, f"logs {keys}{what}{pace}")
        self.page.evaluate(
            _LOG,
            {
                "type": self._implementation.protocol.log_event,
                "tab": self.name,
                "first": first,
                "count": count,
                "installation": self.installation_id,
                "component": component,
                "interval_ms": interval_ms,
                "tab_id": self.tab_id,
            },
        )

    def post(self, message: object) -> None:
        """Post any message to the worker, also one that the protocol does not define."""
        self._record(self.name, Kind.MESSAGE, f"posts {message}")
        self.page.evaluate("(message) => window.port.postMessage(message)", message)

    @property
    def messages(self) -> list[Any]:
        """All messages that the worker has posted to this tab."""
        messages: list[Any] = self.page.evaluate("() => window.messages")
        return messages

    def close(self) -> None:
        """Close the tab."""
        self._record(self.name, Kind.CLOSED, "closes")
        try:
            self.page.close()
        except PlaywrightError as error:
            raise RuntimeError(f"the tab {self.name} could not be closed: {error}") from error
