"""What the inspector's page shows beside the events: clocks, workers, tabs, toxics, routes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from playwright.sync_api import Error as PlaywrightError

from pytest_sharedworker.errors import SharedWorkerError
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.inspector.controls import Controls, describe_toxics, id_of
from pytest_sharedworker.workers.manager import WorkerManager
from pytest_sharedworker.workers.shared_worker import SharedWorker

STATE_TIMEOUT_MS = 500.0
"""How long a worker may take to report its clock; a stuck one must not stop the inspector."""

MAX_CLOSED = 20
"""How many workers that have ended are shown: a page that reloads all the time leaves one each time."""


def select_shown(workers: Sequence[SharedWorker]) -> list[SharedWorker]:
    """Return the living workers and the newest of those that have ended, in their order."""
    closed = [worker for worker in workers if worker.is_closed()]
    gone = {worker.id for worker in closed[:-MAX_CLOSED]}
    return [worker for worker in workers if worker.id not in gone]


class StateReader:
    """Reads the state of a paused test, in the test's thread."""

    def __init__(
        self, title: str, manager: WorkerManager, gateway: Gateway, controls: Controls, *, can_crash: bool
    ) -> None:
        self._title = title
        self._manager = manager
        self._gateway = gateway
        self._controls = controls
        self._can_crash = can_crash
        self.watches: Mapping[str, Callable[[], object]] = {}
        """What the test offers to be shown."""

    def read_running(self) -> dict[str, Any]:
        """Return what is known while the test runs."""
        return {"title": self._title, "isPaused": False}

    def read(self, reason: str) -> dict[str, Any]:
        """Return the state of the paused test; `reason` is why it is paused."""
        clock = self._manager.clock
        return {
            "title": self._title,
            "isPaused": True,
            "reason": reason,
            "clock": {"kind": clock.kind, "now": clock.now, "date": clock.date.isoformat()},
            "isPlaying": self._controls.is_playing,
            "canCrash": self._can_crash,
            "workers": [self._describe(worker) for worker in select_shown(self._manager.history)],
            "tabs": [
                {"title": title, "url": _read(partial(getattr, page, "url"))}
                for page, title in self._manager.tab_console.tabs.items()
            ],
            "toxics": [
                {
                    "id": str(id_of(each)),
                    "text": f"{each} on {each.pattern}",
                    "hits": each.hits,
                    "left": None if each.times is None else each.times - each.hits,
                }
                for each in self._gateway._toxics.in_force
            ],
            "routes": [
                {"id": str(id_of(rule)), "text": str(rule.pattern), "hits": len(rule.routes)}
                for rule in self._gateway.rules
            ],
            "toxicKinds": describe_toxics(),
            "actions": list(self._controls.actions),
            "watches": [{"name": name, "value": _read(watch)} for name, watch in self.watches.items()],
        }

    def _describe(self, worker: SharedWorker) -> dict[str, Any]:
        described: dict[str, Any] = {
            "id": worker.id,
            "label": worker.label,
            "url": worker.url,
            "isAlive": not worker.is_closed(),
            "isOffline": worker.id in self._controls.offline_workers,
            "timers": [],
            "waitsFor": [],
        }
        if described["isAlive"]:
            try:
                state = worker.clock.state(timeout=STATE_TIMEOUT_MS)
            except (SharedWorkerError, PlaywrightError) as error:
                return described | {"error": str(error)}
            described["now"] = state.get("now")
            described["timers"] = state.get("timers", [])
            pending: Any = state.get("pending", [])
            described["waitsFor"] = [{"what": each["what"], "isHeld": each["held"]} for each in pending]
        return described


def _read(watch: Callable[[], object]) -> str:
    with suppress(Exception):
        return str(watch())
    return "cannot be read now"
