"""The open tabs of a system: they open, reload, close and crash, and the model knows of it."""

from __future__ import annotations

from collections.abc import Iterator

from playwright.sync_api import BrowserContext, Page

from e2e.chaos.model import DeliveryModel
from e2e.chaos.page import BUILDS, ELSEWHERE, ELSEWHERE_PATH, MODULES, Build, get_outbox
from e2e.chaos.step_log import StepLog
from e2e.chaos.tab import ChaosTab
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.workers.crash import crash


class Tabs:
    """The tabs of one browser profile. `context` is replaced when the browser is killed and reopened."""

    def __init__(
        self, name: str, context: BrowserContext, gateway: Gateway, model: DeliveryModel, log: StepLog
    ) -> None:
        self.context = context
        self._name = name
        self._gateway = gateway
        self._model = model
        self._log = log
        self._open: list[ChaosTab] = []
        self._documents = 0
        self._marker = 0
        self._worker_paths: dict[str, str] = {}
        for build in BUILDS:
            gateway.serve(build.page_path, build.make_page(), content_type="text/html")
        gateway.serve(ELSEWHERE_PATH, ELSEWHERE, content_type="text/html")

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[ChaosTab]:
        return iter(list(self._open))

    def get(self, number: int) -> ChaosTab:
        """Return a tab by any number from 0."""
        return self._open[number % len(self._open)]

    def open(self, build: Build = MODULES) -> ChaosTab:
        """Open a tab with a build of the client."""
        tab = self._load(self.context.new_page(), build)
        self._log.add(f"{tab.name} opens" + ("" if build is MODULES else f" with the {build.name}"))
        return tab

    def close(self, tab: ChaosTab) -> None:
        """Close a tab, as a person does."""
        self._log.add(f"{tab.name} closes")
        self.end(tab)
        tab.page.close()

    def reload(self, tab: ChaosTab) -> None:
        """Reload a tab."""
        self.end(tab)
        self._log.add(f"{tab.name} reloads, as {self._load(tab.page, tab.build).name}")

    def leave_and_return(self, tab: ChaosTab) -> None:
        """Follow a link to another page of the origin, and come back to a new document."""
        self.end(tab)
        tab.page.goto(self._gateway.url + ELSEWHERE_PATH)
        self._log.add(f"{tab.name} leaves and returns, as {self._load(tab.page, tab.build).name}")

    def crash(self, tab: ChaosTab) -> None:
        """Crash a tab's renderer, which other tabs and the worker may share."""
        self._log.add(f"{tab.name} crashes")
        self.end(tab)
        crash(tab.page)
        tab.page.close()
        for other in [other for other in self._open if other.crashed]:
            self._log.add(f"{other.name} crashes too")
            self.end(other)
            other.page.close()

    def end(self, tab: ChaosTab) -> None:
        """Tell the model that the tab's document ends; acknowledgments that arrived by now count."""
        if not tab.crashed:
            self._observe(tab)
        self._model.end_tab(tab.name)
        self._open.remove(tab)

    def observe(self) -> None:
        """Tell the model which events workers have acknowledged."""
        for tab in self:
            self._observe(tab)

    def wait_for_state(self, *states: str) -> None:
        """Wait until every tab is in one of these states."""
        for tab in self:
            if not tab.wait_for_state(states):
                state = tab.read_state().state
                raise self._log.make_error(f"{tab.name} is in state {state!r}, not {' or '.join(states)}")

    def wait_for_changes_of(self, changed: ChaosTab) -> None:
        """Wait until all other tabs have received what a tab has written to localStorage by now."""
        self._marker += 1
        changed.write_marker(self._marker)
        for other in self:
            if other is not changed and not other.wait_for_marker(self._marker):
                raise self._log.make_error(f"{other.name} receives no change of consent from {changed.name}")

    def wait_for_acknowledgments(self) -> None:
        """Wait until workers have acknowledged all events that the clients accepted."""
        for tab in self:
            seq = self._model.get_last_unacknowledged_seq(tab.name)
            if not tab.wait_for_acknowledgment(seq):
                raise self._log.make_error(f"no worker acknowledges the events of {tab.name} up to seq {seq}")

    def list_builds(self) -> list[Build]:
        """Return the builds that were ever opened, of which no tab is open."""
        paths = {*self._worker_paths.values()} - {tab.build.worker_path for tab in self}
        return [build for build in BUILDS if build.worker_path in paths]

    def get_names(self, worker_path: str) -> set[str]:
        """Return the names of all tabs that were ever opened for a worker's script."""
        return {name for name, path in self._worker_paths.items() if path == worker_path}

    def get_names_of_outbox(self, worker_url: str) -> set[str]:
        """Return the names of all tabs whose workers shared an outbox with this worker."""
        outbox = get_outbox(worker_url)
        return {name for name, path in self._worker_paths.items() if get_outbox(path) == outbox}

    def count_new_connections(self) -> dict[str, int]:
        """Return by tab how many connections to a worker it made since the last call."""
        counts: dict[str, int] = {}
        for tab in self:
            connections = tab.read_state().connections
            counts[tab.name] = connections - tab.connections
            tab.connections = connections
        return counts

    def _observe(self, tab: ChaosTab) -> None:
        state = tab.read_state()
        at = self._gateway.journal.seconds()
        self._model.acknowledge(tab.name, state.acknowledged, at, state.durable)

    def _load(self, page: Page, build: Build) -> ChaosTab:
        self._documents += 1
        page.goto(self._gateway.url + build.page_path)
        tab = ChaosTab(page, f"{self._name}-tab-{self._documents}", build)
        self._worker_paths[tab.name] = build.worker_path
        self._open.append(tab)
        return tab
