"""The server under test as a case uses it: requests, configuration, store, and the accounting of records."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from e2e.conformance.accounting import Event, Fate, account
from e2e.conformance.case import Case, FindingError
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
DISABLED_VALUES = {"disable_ui_telemetry": True, "disable_ui_events": [], "ui_rollout_percentage": 0}
"""What GET responds with while telemetry is disabled."""

NOT_STARTED_HERE = (
    "the server was given by its URL: the suite cannot access its configuration, process and store"
)
STORE_NOT_READ = "unknown: the suite cannot read the store"
SHOWN_EXCHANGES = 40

Record = dict[str, Any]


def write_config(path: Path, text: str) -> None:
    """Write a server's configuration. The rename makes it atomic: no request reads half of the file."""
    fresh = path.with_suffix(".fresh")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


class Server:
    """One server during one case. `process` and `config_file` are None if the server was given by its URL."""

    def __init__(
        self,
        implementation: ServerImplementation,
        observations: Observations,
        process: ServerProcess | None = None,
        config_file: Path | None = None,
        *,
        case: Case | None = None,
    ) -> None:
        self._process = process
        self._config_file = config_file
        self._case = case
        self._observations = observations
        self._implementation = implementation
        self._events: list[Event] = []
        _, self._first_row = process.read_records() if process else ([], 0)
        self.is_accounted = False
        """Whether the case called `account`."""
        self.client = self._create_client()

    def restart(self) -> None:
        """Start the ended process again on its store. Skip the case if the suite did not start the server."""
        self.process.restart()
        exchanges = self.client.exchanges
        self.client = self._create_client()
        self.client.exchanges += exchanges

    def _create_client(self) -> Client:
        url = self._process.url if self._process else self._implementation.url
        assert url is not None
        return Client(url, self._implementation.endpoint)

    # --- only for a server that the suite started ----------------------------------------------------

    @property
    def process(self) -> ServerProcess:
        """The process. Skips the case if the suite did not start the server."""
        if self._process is None:
            pytest.skip(NOT_STARTED_HERE)
        return self._process

    def require_store(self) -> None:
        """Skip the case if the suite cannot read the store, which is all that the case checks."""
        _ = self.process

    def configure(self, **values: object) -> None:
        """Enable telemetry, then set `values`; None omits a value. Skip the case if that is not possible."""
        config = {name: value for name, value in {**ENABLED, **values}.items() if value is not None}
        self.configure_text(json.dumps(config))

    def configure_text(self, text: str) -> None:
        """Write this text as the configuration. Skip the case if that is not possible."""
        write_config(self.config_file, text)

    @property
    def config_file(self) -> Path:
        """The configuration file. Skips the case if the suite did not start the server."""
        if self._config_file is None:
            pytest.skip(NOT_STARTED_HERE)
        return self._config_file

    def get_stored_records(self) -> list[Record]:
        """Return the records that were stored since the case began, in order of arrival."""
        records, _ = self.process.read_records(self._first_row)
        return records

    # --- requests ------------------------------------------------------------------------------------

    def get_config(self) -> Response:
        """GET the configuration."""
        return self.client.request("GET")

    def post(self, *records: object, headers: Headers | None = None) -> Response:
        """POST records as a worker does, with the page's origin."""
        return self.post_body(encode_batch(*records), headers)

    def post_body(self, body: bytes, headers: Headers | None = None) -> Response:
        """POST a body of any bytes."""
        return self.client.request(body=body, headers={"Origin": self.client.origin, **(headers or {})})

    # --- accounting ----------------------------------------------------------------------------------

    def new_record(self, fate: Fate = Fate.STORED, /, **changes: object) -> Record:
        """Return a record as a worker sends it, and add it to the accounting.

        `changes` replace fields; `...` omits one.
        """
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

    def new_records(self, count: int, fate: Fate = Fate.STORED, /) -> list[Record]:
        """Return several records and add them to the accounting."""
        return [self.new_record(fate) for _ in range(count)]

    def post_and_account(self, *records: Record) -> Response:
        """POST new records; expect them to be stored if the response is a success, and only then."""
        response = self.post(*records)
        self.set_fate(list(records), Fate.STORED if response.is_success else Fate.FORBIDDEN)
        return response

    def set_fate(self, records: list[Record], fate: Fate) -> None:
        """Change the expected fate of records."""
        keys = {_get_key(record) for record in records}
        for event in self._events:
            if event.key in keys:
                event.fate = fate

    def account(self) -> None:
        """Compare the store with the expected fate of every record. Raise FindingError if they differ.

        Where the suite cannot read the store, skip a case that says what is stored; its other requirements
        hold then.
        """
        self.is_accounted = True
        self._observations.details("\n\n".join(self.client.exchanges[-SHOWN_EXCHANGES:]))
        if self._process is None:
            if self._case is not None and says_what_is_stored(self._case):
                pytest.skip(STORE_NOT_READ)
            self._observations(STORE_NOT_READ)
            return
        accounting = account(self._events, [_get_key(record) for record in self.get_stored_records()])
        self._observations(str(accounting))
        if not accounting.balanced:
            raise FindingError("0 lost, 0 duplicated, 0 unexpected", str(accounting))


StartServer = Callable[..., Server]
"""Start a server for this case alone; the arguments are in the fixture `start_server`."""


def says_what_is_stored(case: Case) -> bool:
    """Return whether a case requires that records are stored, or that they are not."""
    return re.search(r"\bstor(ed|es?)\b", f"{case.requirement} {case.expected}") is not None


def encode_batch(*records: object) -> bytes:
    """Return the body of a POST that carries these records."""
    return json.dumps({"records": records}).encode()


def _get_key(record: Record) -> str:
    params = record.get("params")
    return str(params.get("componentViewId")) if isinstance(params, dict) else repr(record)
