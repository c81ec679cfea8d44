"""The load: threads that post batches as workers do, and one that requests the configuration."""

from __future__ import annotations

import http.client
import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from e2e.conformance.targets.server import DEFAULT_ENDPOINT
from e2e.soak.ledger import Batch, Ledger

POSTERS = 4
RECORDS = 20
WITHOUT_IDENTITY_EVERY = 5
"""Every fifth batch is one of MLflow's worker: without an identity, and sent once."""

TIMEOUT_SECONDS = 20.0
PAUSE_AFTER_FAILURE_SECONDS = 0.05
CONFIG_PAUSE_SECONDS = 0.02
PADDING = "x" * 400
DRAIN_SECONDS = 60.0


class Load:
    """Posts to the server that `get_url` returns now, which may be restarting."""

    def __init__(self, get_url: Callable[[], str], ledger: Ledger, name: str) -> None:
        self._get_url = get_url
        self._ledger = ledger
        self._name = name
        self._numbers = itertools.count()
        self._unacknowledged: list[Batch] = []
        self._lock = threading.Lock()
        self._is_over = threading.Event()

    @contextmanager
    def run(self) -> Iterator[None]:
        """Post while the context lasts."""
        self._is_over.clear()
        self._ledger.begin()
        threads = [threading.Thread(target=self._post_until_over) for _ in range(POSTERS)]
        threads.append(threading.Thread(target=self._read_config_until_over))
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            for thread in threads:
                thread.join()

    def drain(self) -> bool:
        """Send again what was not acknowledged, until it is. Return whether that succeeded in time."""
        deadline = time.monotonic() + DRAIN_SECONDS
        while self._unacknowledged and time.monotonic() < deadline:
            self._post(self._unacknowledged.pop())
        return not self._unacknowledged

    def wait_for_success(self, timeout_seconds: float) -> bool:
        """Post a batch until one is acknowledged. Return whether that happened in time."""
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            batch = self._create_batch()
            self._post(batch)
            if batch.acknowledged_by_request_at is not None:
                return True
        return False

    def _post_until_over(self) -> None:
        while not self._is_over.is_set():
            with self._lock:
                again = self._unacknowledged.pop() if self._unacknowledged else None
            self._post(again or self._create_batch())

    def _create_batch(self) -> Batch:
        with self._lock:
            number = next(self._numbers)
        has_identity = number % WITHOUT_IDENTITY_EVERY != 0
        keys = [f"{self._name}/{number}/{seq}" for seq in range(RECORDS)]
        records = [
            {
                "installation_id": "an-installation",
                "event_name": "ui_event",
                "timestamp_ns": 1_700_000_000_000_000_000 + seq,
                "session_id": "a-session",
                "params": {"key": key, "padding": PADDING},
                **({"tab_id": f"tab-{number}", "seq": seq} if has_identity else {}),
            }
            for seq, key in enumerate(keys)
        ]
        batch = Batch(keys, json.dumps({"records": records}).encode(), has_identity)
        self._ledger.add(batch)
        return batch

    def _post(self, batch: Batch) -> None:
        began_at = time.monotonic()
        try:
            status, content = self._request("POST", batch.body)
        except (OSError, http.client.HTTPException) as error:
            status, content = type(error).__name__, {}
        acknowledged = status == "200" and content.get("status") == "success"
        if content.get("status") == "disabled":
            self._ledger.record_disabled()
        self._ledger.record(batch, status, began_at, acknowledged=acknowledged)
        if not acknowledged:
            if batch.has_identity:
                with self._lock:
                    self._unacknowledged.append(batch)
            time.sleep(PAUSE_AFTER_FAILURE_SECONDS)

    def _read_config_until_over(self) -> None:
        while not self._is_over.wait(CONFIG_PAUSE_SECONDS):
            try:
                _, content = self._request("GET")
            except (OSError, http.client.HTTPException):
                continue
            if content.get("disable_ui_telemetry") is True:
                self._ledger.record_disabled()

    def _request(self, method: str, body: bytes | None = None) -> tuple[str, dict[str, object]]:
        url = urlsplit(self._get_url())
        connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=TIMEOUT_SECONDS)
        try:
            headers = {"Content-Type": "application/json", "Connection": "close"}
            connection.request(method, url.path + DEFAULT_ENDPOINT, body, headers if body else {})
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        try:
            content = json.loads(text)
        except ValueError:
            content = {}
        return str(response.status), content if isinstance(content, dict) else {}
