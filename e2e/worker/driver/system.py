"""The system under test as the cases use it: tabs, the worker, its configuration, time, stored records."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from playwright.sync_api import BrowserContext, Frame, Page

from e2e.conformance.accounting import Accounting, Event, Fate, account
from e2e.conformance.case import FindingError
from e2e.conformance.preconditions import require_applied
from e2e.conformance.report.observations import Observations
from e2e.conformance.report.timeline_recorder import TimelineRecorder
from e2e.conformance.targets.worker import Implementation
from e2e.worker.driver.app import TAB_PATH, serve_app
from e2e.worker.driver.batch import Batch, read_batches
from e2e.worker.driver.store_reader import StoredRecord, StoreReader, StoreUnreadError
from e2e.worker.driver.tab import Tab
from pytest_sharedworker import (
    AppliedToxic,
    Exchange,
    Gateway,
    HttpStatus,
    RouteRule,
    SharedWorkers,
    Toxic,
    WaitTimeoutError,
)

MAX_REAL_WAIT_MS = 120_000
"""A case that needs more real time than this in one step is skipped on the real clock."""

ANY_QUERY = "{,?**}"
"""At the end of a pattern: with and without a query."""

ENABLED = {
    "disable_telemetry": False,
    "disable_ui_telemetry": False,
    "disable_ui_events": [],
    "ui_rollout_percentage": 100,
}


class Telemetry:
    """One implementation's worker behind a gateway, in front of the reference server."""

    def __init__(
        self,
        implementation: Implementation,
        gateway: Gateway,
        shared_workers: SharedWorkers,
        context: BrowserContext,
        server_endpoint: str,
        config_file: Path,
        store: StoreReader,
        observations: Observations,
    ) -> None:
        self.implementation = implementation
        self.gateway = gateway
        self.workers = shared_workers
        self.context = context
        self.flush_interval = implementation.protocol.flush_interval_ms
        """The flush interval in milliseconds."""
        self.resolution = shared_workers.clock.resolution
        """How close to a moment this run's clock can stop, in milliseconds."""
        self.tabs: list[Tab] = []
        self._batches: dict[int, Batch] = {}
        self.accounted = False
        self._faults: list[AppliedToxic | RouteRule] = []
        self._config_file = config_file
        self._store = store
        self._observations = observations
        self.recorder = TimelineRecorder(gateway, shared_workers)
        self._server_endpoint = server_endpoint
        self.serve_below("")
        self.configure()

    def serve_below(self, prefix: str) -> str:
        """Serve the app below a path prefix, like a proxy that strips it; return the page's URL."""
        paths = serve_app(self.gateway, self.implementation, self._server_endpoint, prefix)
        self.script_path = paths.script
        self.endpoint = paths.endpoint
        return f"{self.gateway.url}{paths.tab}"

    # --- configuration ----------------------------------------------------------------------------

    def configure(self, **values: object) -> None:
        """Write the server's configuration: everything enabled, except for `values`."""
        text = json.dumps({**ENABLED, **values})
        # Replaced in one step: a request must not read half a file.
        new_file = self._config_file.with_suffix(".new")
        new_file.write_text(text, encoding="utf-8")
        new_file.replace(self._config_file)

    def override_config(self, body: object, status: int = 200, *, times: int | None = None) -> AppliedToxic:
        """Respond to configuration requests with this body instead of the server's.

        A string is sent unchanged, any other body as JSON.
        """
        text = body if isinstance(body, str) else json.dumps(body)
        return self.break_config(HttpStatus(status, body=text), times=times)

    @property
    def posts_pattern(self) -> str:
        """The gateway's pattern of the batches, with and without a query."""
        return f"POST {self.endpoint}{ANY_QUERY}"

    @property
    def config_pattern(self) -> str:
        """The gateway's pattern of the requests for the configuration, with and without a query."""
        return f"GET {self.endpoint}{ANY_QUERY}"

    def break_config(self, toxic: Toxic, **options: Any) -> AppliedToxic:
        """Apply a toxic to configuration requests; a case whose toxic applied to none is inconclusive."""
        return self._break(toxic, self.config_pattern, options)

    def break_posts(self, toxic: Toxic, **options: Any) -> AppliedToxic:
        """Apply a toxic to batches; a case whose toxic applied to none is inconclusive."""
        return self._break(toxic, self.posts_pattern, options)

    def _break(self, toxic: Toxic, pattern: str, options: dict[str, Any]) -> AppliedToxic:
        # The case itself checks that its faults applied.
        fault = self.gateway.add_toxic(toxic, on=pattern, optional=True, **options)
        self._faults.append(fault)
        return fault

    def route_posts(self, handler: Callable[[Any], object], *, times: int | None = None) -> RouteRule:
        """Let `handler` respond to batches; a case whose handler got none is inconclusive."""
        route = self.gateway.route(self.posts_pattern, handler, times=times, optional=True)
        self._faults.append(route)
        return route

    def end_faults(self) -> None:
        """End all toxics and routes of the case, and enable everything again."""
        for fault in self._faults:
            fault.remove()
        self.gateway.unroute_all()
        self.configure()

    # --- tabs and time ----------------------------------------------------------------------------

    def open_tab(
        self, context: BrowserContext | None = None, *, url: str | None = None, connect: bool = True
    ) -> Tab:
        """Open a tab, in another context or at another URL if given, and connect it to the worker."""
        page = (context or self.context).new_page()
        page.goto(url or self.gateway.url + TAB_PATH)
        return self.add_tab(page, connect=connect)

    def add_tab(self, page: Page | Frame, *, connect: bool = True) -> Tab:
        """Make a tab of a page, or of a frame in a page of another site, and connect it to the worker."""
        name = f"tab-{len(self.tabs) + 1}"
        # A frame evaluates and waits like a page, and has not the rest.
        tab = Tab(cast("Page", page), name, self.implementation, self.script_path, self.recorder.record_tab)
        self.tabs.append(tab)
        if connect:
            tab.connect()
            _ = self.workers.history  # On the real clock a worker's time starts when the test first sees it.
        return tab

    def open_tabs(self, count: int) -> list[Tab]:
        """Open several tabs, one after the other."""
        return [self.open_tab() for _ in range(count)]

    def run_for(self, ms: float) -> None:
        """Run every worker's clock for `ms` milliseconds; return when the workers' requests have settled."""
        if self.workers.clock.kind == "real" and ms > MAX_REAL_WAIT_MS:
            pytest.skip(f"needs {ms / 1000:.0f} s of real time at once; run it on the virtual clock")
        with self.recorder.record_advance(ms / 1000):
            self.workers.clock.run_for(ms)

    def settle(self) -> None:
        """Wait until workers have read all messages and their requests have settled."""
        self.workers.clock.settle()

    def flush(self, intervals: int = 1) -> None:
        """Run for whole flush intervals."""
        self.run_for(intervals * self.flush_interval)

    # --- events, requests and stored records ------------------------------------------------------

    @property
    def events(self) -> list[Event]:
        """All events that tabs have logged, tab by tab."""
        return [event for tab in self.tabs for event in tab.events]

    @property
    def batches(self) -> list[Batch]:
        """All POSTs to the endpoint whose bodies have come, oldest first."""
        return read_batches(self.gateway.journal.select(self.posts_pattern), self._batches)

    @property
    def config_requests(self) -> list[Exchange]:
        """All requests for the configuration."""
        return self.gateway.journal.select(self.config_pattern)

    @property
    def stored_records(self) -> list[StoredRecord]:
        """All records that the server has stored, in order of arrival. Raise StoreUnreadError."""
        return self._store.read_records()

    @property
    def stored(self) -> list[str]:
        """The keys of all stored records, in order of arrival. Raise StoreUnreadError."""
        return [record.key for record in self.stored_records]

    def wait_for_batches(self, count: int, *, timeout: float = 10_000) -> list[Batch]:
        """Wait until `count` POSTs have ended and return them. Raise FindingError after `timeout` ms.

        Only the real clock needs this: on a virtual clock `run_for` returns when requests have settled.
        """
        self._wait_for(self.posts_pattern, count, timeout)
        return self.batches

    def wait_for_config_requests(self, count: int, *, timeout: float = 10_000) -> list[Exchange]:
        """Wait until `count` GETs of the configuration have ended; raises FindingError after `timeout` ms."""
        return self._wait_for(self.config_pattern, count, timeout)

    def _wait_for(self, pattern: str, count: int, timeout: float) -> list[Exchange]:
        try:
            return self.gateway.journal.wait_for(pattern, count=count, timeout=timeout)
        except WaitTimeoutError:
            ended = [exchange for exchange in self.gateway.journal.select(pattern) if exchange.ended]
            expected = f"{count} {pattern.removesuffix(ANY_QUERY)} within {timeout / 1000:g} s"
            raise FindingError(expected, f"{len(ended)} that ended") from None

    def expect_batches(self, count: int, what: str) -> list[Batch]:
        """Require `count` batches so far and return them. Raise FindingError; `what` ends its sentence."""
        batches = self.batches
        if len(batches) != count:
            sizes = [len(batch.records) for batch in batches]
            raise FindingError(f"{count} POST {what}", f"{len(batches)} POST, of {sizes} records")
        return batches

    def account(self) -> Accounting:
        """Require that every event has the outcome that its fate demands.

        Raise FindingError if one has not, StoreUnreadError if the store cannot be read, and InconclusiveError
        if one of the case's toxics and routes applied to no request.
        """
        self.accounted = True
        try:
            stored = self.stored
        except StoreUnreadError:
            self._observations(str(account(self.events, None)))
            raise
        accounting = account(self.events, stored)
        self._observations(str(accounting))
        if not accounting.balanced:
            raise FindingError("0 lost, 0 duplicated, 0 unexpected", str(accounting))
        require_applied(self._faults)
        return accounting


def set_fate(events: Sequence[Event], fate: Fate) -> None:
    """Change the required outcome of events that are logged already."""
    for event in events:
        event.fate = fate
