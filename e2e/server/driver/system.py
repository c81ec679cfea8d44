"""The server under test as a case sees it: requests, configuration, store, and the books on records."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from e2e.conformance.accounting import Event, Fate, account
from e2e.conformance.case import FindingError
from e2e.conformance.report.observations import Observations
from e2e.conformance.targets.server import ServerImplementation
from e2e.server.driver.http_client import Client, Headers, Response
from e2e.server.driver.process import ServerProcess

ENABLED: dict[str, object] = {
    "disable_telemetry": False,
    "disable_ui_telemetry": False,
    "disable_ui_events": [],
    "ui_rollout_percentage": 100,
}
DISABLED_ANSWER = {"disable_ui_telemetry": True, "disable_ui_events": [], "ui_rollout_percentage": 0}

OUT_OF_REACH = "the server was given by its URL: its configuration, process and store are out of reach"
UNKNOWN = "unknown: the store was never read"
SHOWN_EXCHANGES = 40

Record = dict[str, Any]


def write_config(path: Path, text: str) -> None:
    """Write a server's configuration; renamed into place, so that no request reads half of it."""
    fresh = path.with_suffix(".fresh")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


class Server:
    """One server during one case. `process` and `config_file` are None for one that runs by itself."""

    def __init__(
        self,
        implementation: ServerImplementation,
        observations: Observations,
        process: ServerProcess | None = None,
        config_file: Path | None = None,
    ) -> None:
        self._process = process
        self._config_file = config_file
        self._observations = observations
        self._implementation = implementation
        self._events: list[Event] = []
        _, self._first_row = process.stored() if process else ([], 0)
        self._last_row = self._first_row
        self.accounted = False
        self.client = self._new_client()

    def restart(self) -> None:
        """Start the process that has ended again, on its store. Skips where it is not the suite's own."""
        self.process.restart()
        before = self.client.exchanges
        self.client = self._new_client()
        self.client.exchanges += before

    def _new_client(self) -> Client:
        url = self._process.url if self._process else self._implementation.url
        assert url is not None
        return Client(url, self._implementation.endpoint)

    # --- what only a server can be asked that the case has started -----------------------------------

    @property
    def process(self) -> ServerProcess:
        """The process. Skips the case where the server is not the suite's own."""
        if self._process is None:
            pytest.skip(OUT_OF_REACH)
        return self._process

    def needs_store(self) -> None:
        """Skip the case where the store cannot be read: it is about nothing else."""
        _ = self.process

    def configure(self, **values: object) -> None:
        """Enable everything, but for `values`; None leaves a value out. Skips where it cannot be done."""
        wanted = {name: value for name, value in {**ENABLED, **values}.items() if value is not None}
        self.configure_text(json.dumps(wanted))

    def configure_text(self, text: str) -> None:
        """Write the configuration as it stands. Skips where it cannot be done."""
        if self._config_file is None:
            pytest.skip(OUT_OF_REACH)
        write_config(self._config_file, text)

    def stored(self) -> list[Record]:
        """The records that were stored since the case began, in order of arrival."""
        records, self._last_row = self.process.stored(self._first_row)
        return records

    # --- requests ------------------------------------------------------------------------------------

    def get_config(self) -> Response:
        """GET the configuration."""
        return self.client.request("GET")

    def post(self, *records: object, headers: Headers | None = None) -> Response:
        """POST records as a worker does: with the page's origin."""
        return self.post_body(body_of(*records), headers)

    def post_body(self, body: bytes, headers: Headers | None = None) -> Response:
        """POST a body of any bytes."""
        return self.client.request(body=body, headers={"Origin": self.client.origin, **(headers or {})})

    # --- the books -----------------------------------------------------------------------------------

    def record(self, fate: Fate = Fate.STORED, /, **changes: object) -> Record:
        """A record as a worker sends it, noted in the books. `changes` replace fields, ... leaves one out."""
        number = len(self._events)
        event = Event(f"record/{number}", "record", number, fate)
        self._events.append(event)
        record: Record = {
            "installation_id": "an-installation",
            "event_name": "ui_event",
            "timestamp_ns": 1_700_000_000_000_000_000 + number,
            "params": {"componentId": "a.button", "componentViewId": event.key, "eventType": "onClick"},
            "session_id": "a-session",
        }
        params = changes.pop("params", {})
        record["params"] = record["params"] | params if isinstance(params, dict) else params
        return {name: value for name, value in (record | changes).items() if value is not ...}

    def records(self, count: int, fate: Fate = Fate.STORED, /) -> list[Record]:
        """Several records."""
        return [self.record(fate) for _ in range(count)]

    def decide(self, records: list[Record], fate: Fate) -> None:
        """Change what has to become of records that are noted already."""
        keys = {_key(record) for record in records}
        for event in self._events:
            if event.key in keys:
                event.fate = fate

    def account(self) -> None:
        """Close the books: every record has come to the end it had to. Raises FindingError."""
        self.accounted = True
        self._observations.details("\n\n".join(self.client.exchanges[-SHOWN_EXCHANGES:]))
        if self._process is None:
            self._observations(UNKNOWN)
            return
        accounting = account(self._events, [_key(record) for record in self.stored()])
        self._observations(str(accounting))
        if not accounting.balanced:
            raise FindingError("0 lost, 0 duplicated, 0 unexpected", str(accounting))

    def still_works(self) -> None:
        """A good record is taken. Raises FindingError where it is not."""
        answer = self.post(self.record())
        if not answer.succeeded:
            raise FindingError("the next good record is taken", str(answer))


def body_of(*records: object) -> bytes:
    """The body of a POST that carries these records."""
    return json.dumps({"records": records}).encode()


def expect_all(expected: str, answers: Mapping[str, Response], holds: Callable[[Response], bool]) -> None:
    """Raise a FindingError that names every entry of a table whose answer is not as it should be."""
    wrong = [f"{name}: {answer}" for name, answer in answers.items() if not holds(answer)]
    if wrong:
        raise FindingError(expected, "\n".join(wrong))


def is_refused(answer: Response) -> bool:
    """Whether the server refused by the client's fault: no worker takes it for success, none asks again."""
    return 400 <= answer.status < 500


def _key(record: Record) -> str:
    params = record.get("params")
    return str(params.get("componentViewId")) if isinstance(params, dict) else repr(record)
