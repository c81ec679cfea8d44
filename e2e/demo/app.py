"""The reference app of the demonstration: its tabs, its server, and what can be done to them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from playwright.sync_api import BrowserContext, Page
from yarl import URL

from e2e.client.app import read_outbox
from e2e.conformance.paths import CHECKOUT
from e2e.worker.driver.store_reader import StoreReader
from e2e.worker.driver.system import ENABLED
from pytest_sharedworker import HttpStatus, Timeout, Toxic
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.workers.manager import WorkerManager
from reference_server import ReferenceServer

PAGE = "/app.html"
FLUSH = "POST **/ui-telemetry"
_CONFIG_NOTE = "a worker reads it when it starts, and every 3 h"


class DemoServer:
    """The reference server with a configuration file that the demonstration rewrites."""

    def __init__(self, folder: Path) -> None:
        self._config = folder / "config.json"
        self._database = folder / "telemetry.sqlite"
        self.configure()
        self.server = ReferenceServer(config=self._config, database=self._database, environ={})
        self._reader: StoreReader | None = None

    async def start(self) -> URL:
        """Start it and return its URL."""
        return await self.server.start()

    def configure(self, **values: object) -> str:
        """Write the configuration: everything enabled, except for `values`."""
        self._config.write_text(json.dumps({**ENABLED, **values}), encoding="utf-8")
        return f"the configuration has changed; {_CONFIG_NOTE}"

    def remove_config(self) -> str:
        """Remove the configuration file."""
        self._config.unlink(missing_ok=True)
        return f"the configuration is gone: the last one holds; {_CONFIG_NOTE}"

    def count_records(self) -> int:
        """Return how many records are stored."""
        self._reader = self._reader or StoreReader(self._database)
        return len(self._reader.read_records())


class Demo:
    """Three tabs of the app behind a gateway; `actions` and `watches` are for the inspector."""

    def __init__(
        self, context: BrowserContext, gateway: Gateway, manager: WorkerManager, server: DemoServer
    ) -> None:
        self._context = context
        self._gateway = gateway
        self._manager = manager
        self._server = server
        gateway.serve_directory("/static-files/", CHECKOUT / "worker")
        gateway.serve_file(PAGE, Path(__file__).with_name("app.html"))

    @property
    def url(self) -> str:
        """The app's address."""
        return self._gateway.url + PAGE

    def open_tab(self) -> str:
        """Open another tab."""
        page = self._context.new_page()
        page.goto(self.url)
        return "a tab has opened"

    @property
    def actions(self) -> Mapping[str, Callable[[], object]]:
        """What a click does."""
        return {
            "Save in each tab": self._save,
            "Open a tab": self.open_tab,
            "503": lambda: self._break(HttpStatus(503)),
            "Hang": lambda: self._break(Timeout()),
            "No faults": self._mend,
            "Configuration gone": self._server.remove_config,
            "Rollout 0 %": lambda: self._server.configure(ui_rollout_percentage=0),
            "Rollout 50 %": lambda: self._server.configure(ui_rollout_percentage=50),
            "Rollout 100 %": lambda: self._server.configure(ui_rollout_percentage=100),
            "Opt out": lambda: self._call("telemetry.optOut()"),
            "Opt in": lambda: self._call("telemetry.optIn()"),
        }

    @property
    def watches(self) -> Mapping[str, Callable[[], object]]:
        """What is shown all the time."""
        return {
            "events of all tabs": self._count_events,
            "waiting in the queue": self._count_queue,
            "in a request under way": self._count_sent,
            "in the outbox on disk": self._count_outbox,
            "next flush": self._describe_flush_timer,
            "next timer": self._describe_timer,
            "last flush": self._describe_flush,
            "records in the store": self._server.count_records,
        }

    @property
    def _first_page(self) -> Page:
        return self._context.pages[0]

    def _save(self) -> str:
        for page in self._context.pages:
            page.evaluate("save()")
        return f"an event of each of {len(self._context.pages)} tabs"

    def _call(self, expression: str) -> None:
        self._first_page.evaluate(f"() => {{ {expression}; }}")

    def _break(self, toxic: Toxic) -> str:
        applied = self._gateway.add_toxic(toxic, on=FLUSH, optional=True)
        return f"every flush meets {applied}"

    def _mend(self) -> str:
        for applied in self._gateway._toxics.in_force:
            applied.remove()
        return "no fault is in force"

    def _count_outbox(self) -> int:
        return len(read_outbox(self._first_page))

    def _count_queue(self) -> int:
        """Count what waits for a request: the outbox holds the records of the queue and of requests."""
        return max(0, self._count_outbox() - self._count_sent())

    def _count_sent(self) -> int:
        posts = [post for post in self._gateway.journal.select(FLUSH) if not post.ended]
        return sum(len(post.json()["records"]) for post in posts if post.request_body)

    def _count_events(self) -> int:
        return sum(int(page.evaluate("count")) for page in self._context.pages)

    def _describe_timer(self, *, repeats: bool = False) -> str:
        clock = self._manager.clock
        timers = [timer for timer in clock.pending_timers if timer.interval is not None or not repeats]
        return f"in {(timers[0].due - clock.now) / 1000:.1f} s" if timers else "none"

    def _describe_flush_timer(self) -> str:
        """Say when the next flush is due: its timer is the only one of the worker that repeats."""
        return self._describe_timer(repeats=True)

    def _describe_flush(self) -> str:
        posts = self._gateway.journal.select(FLUSH)
        return posts[-1].outcome_text[:60] if posts else "none yet"
