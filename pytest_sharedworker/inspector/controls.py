"""What the inspector's commands do, in the test's thread."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any

from playwright.sync_api import Page

from pytest_sharedworker.errors import SharedWorkerError
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.gateway.route import Route
from pytest_sharedworker.gateway.toxics import Toxic
from pytest_sharedworker.workers.crash import crash
from pytest_sharedworker.workers.manager import WorkerManager
from pytest_sharedworker.workers.shared_worker import SharedWorker

REQUEST_TIMEOUT_MS = 30_000.0
"""How long the run until a request takes at most, in ms of real time."""
EVALUATE_TIMEOUT_MS = 10_000.0
MAX_RESULT = 20_000
"""How many characters of an evaluated value the page shows."""
MAX_STEP_MS = 24 * 3_600_000

Action = Callable[[], object]


class Controls:
    """The commands by name; each returns what the page shows, and raises what the page shows as an error."""

    def __init__(self, manager: WorkerManager, gateway: Gateway) -> None:
        self._manager = manager
        self._gateway = gateway
        self._offline: set[str] = set()
        self.actions: Mapping[str, Action] = {}
        """What the test offers as buttons."""
        self.is_resumed = False
        self.is_playing = False
        """Whether virtual time passes as real time does."""
        self._commands: Mapping[str, Callable[..., object]] = {
            "resume": self._resume,
            "play": self._play,
            "runFor": self._run_for,
            "runNext": self._run_next,
            "runUntilRequest": self._run_until_request,
            "addToxic": self._add_toxic,
            "removeToxic": self._remove_toxic,
            "addRoute": self._add_route,
            "removeRoute": self._remove_route,
            "setOffline": self._set_offline,
            "terminate": self._terminate,
            "crash": self._crash,
            "evaluate": self._evaluate,
            "act": self._act,
        }

    def run(self, name: str, arguments: Mapping[str, Any]) -> object:
        """Carry out one command. Raise SharedWorkerError for one that does not exist."""
        command = self._commands.get(name)
        if command is None:
            raise SharedWorkerError(f"there is no command {name!r}")
        try:
            return command(**arguments)
        except TypeError as error:
            raise SharedWorkerError(f"{name}: {error}") from error

    @property
    def offline_workers(self) -> set[str]:
        """The ids of the workers that the inspector took off the network."""
        return self._offline

    # --- time -------------------------------------------------------------------------------------

    def _resume(self) -> str:
        self.is_resumed = True
        return ""  # The status of the page says "Running"; a text here would stand at the next pause, too.

    def _play(self, on: bool) -> str:
        if self._manager.clock.kind == "real":
            raise SharedWorkerError("real time passes by itself")
        self.is_playing = bool(on)
        return "time passes" if self.is_playing else "time stands still"

    def _run_for(self, ms: float) -> str:
        if isinstance(ms, bool) or not isinstance(ms, (int, float)) or not 0 <= ms <= MAX_STEP_MS:
            raise SharedWorkerError(f"time moves by 0 to {MAX_STEP_MS} ms, not by {ms!r}")
        self._manager.clock.run_for(ms)
        return f"moved by {ms:g} ms"

    def _run_next(self) -> str:
        clock = self._manager.clock
        before = clock.now
        return f"moved by {clock.now - before:g} ms" if clock.run_next() else "no timer is pending"

    def _run_until_request(self, pattern: str) -> str:
        """Fire timer after timer until a request comes; in real time, wait for it."""
        journal = self._gateway.journal
        count = len(journal.select(pattern))
        deadline = time.monotonic() + REQUEST_TIMEOUT_MS / 1000
        while len(journal.select(pattern)) == count:
            if time.monotonic() > deadline:
                raise SharedWorkerError(f"no request of {pattern!r} within {REQUEST_TIMEOUT_MS / 1000:g} s")
            if self._manager.clock.kind == "real":
                self._manager.pump()
            elif not self._manager.clock.run_next():
                raise SharedWorkerError(f"no timer is pending, and no request of {pattern!r} has come")
        return f"#{journal.select(pattern)[count].number} has come"

    # --- faults -----------------------------------------------------------------------------------

    def _add_toxic(self, toxic: str, on: str, attributes: Mapping[str, str], times: int | None = None) -> str:
        kind = Toxic.kinds.get(toxic)
        if kind is None:
            raise SharedWorkerError(f"there is no toxic {toxic!r}")
        applied = self._gateway.add_toxic(
            kind(**read_attributes(kind, attributes)), on=on or "**", times=times, optional=True
        )
        return f"added {applied}"

    def _remove_toxic(self, id: str) -> str:
        for applied in self._gateway._toxics.in_force:
            if str(id_of(applied)) == id:
                applied.remove()
                return f"removed {applied}"
        raise SharedWorkerError("this toxic has been removed already")

    def _add_route(self, on: str, status: int, body: str = "", mime: str = "") -> str:
        if (
            isinstance(status, bool)
            or not isinstance(status, int)
            or not (status == 0 or 100 <= status <= 599)
        ):
            raise SharedWorkerError(f"a status is a number from 100 to 599, or 0 to abort; not {status!r}")

        def answer(route: Route) -> None:
            if status == 0:
                route.abort()
            else:
                route.fulfill(status=status, body=body, content_type=mime or "text/plain")

        rule = self._gateway.route(on or "**", answer, optional=True)
        return f"added a route on {rule.pattern}"

    def _remove_route(self, id: str) -> str:
        for rule in self._gateway.rules:
            if str(id_of(rule)) == id:
                rule.remove()
                return f"removed the route on {rule.pattern}"
        raise SharedWorkerError("this route has been removed already")

    # --- workers and tabs -------------------------------------------------------------------------

    def _set_offline(self, worker: str, offline: bool) -> str:
        found = self._find_worker(worker)
        found.set_offline(bool(offline))
        if offline:
            self._offline.add(worker)
        else:
            self._offline.discard(worker)
        return f"{found.label} is {'offline' if offline else 'online'}"

    def _terminate(self, worker: str) -> str:
        found = self._find_worker(worker)
        found.terminate()
        return f"{found.label} has ended"

    def _crash(self, tab: str) -> str:
        crash(self._find_tab(tab))
        return f"{tab} has crashed"

    def _evaluate(self, worker: str, expression: str) -> str:
        value = self._find_worker(worker)._evaluate(expression, None, EVALUATE_TIMEOUT_MS)
        text = json.dumps(value, indent=1, default=str, ensure_ascii=False)
        return text if len(text) <= MAX_RESULT else f"{text[:MAX_RESULT]}… ({len(text)} characters)"

    def _find_worker(self, worker_id: str) -> SharedWorker:
        for worker in self._manager.history:
            if worker.id == worker_id:
                return worker
        raise SharedWorkerError("this worker does not exist")

    def _find_tab(self, title: str) -> Page:
        for page, tab in self._manager.tab_console.tabs.items():
            if tab == title:
                return page
        raise SharedWorkerError(f"{title} is closed")

    def _act(self, action: str) -> str:
        if action not in self.actions:
            raise SharedWorkerError(f"the test offers no {action!r}")
        result = self.actions[action]()
        # What Playwright returns, such as the response of `page.reload`, says nothing to a person.
        return str(result) if isinstance(result, str | int | float | list | dict) else f"{action}: done"


def id_of(value: object) -> int:
    """Return a number that tells a toxic or route in force from others."""
    return id(value)


def describe_toxics() -> list[dict[str, Any]]:
    """Return every kind of toxic: its name, and its attributes with their defaults ("" for none)."""
    return [
        {
            "name": name,
            "attributes": [
                {"name": field.name, "value": "" if field.default is MISSING else json.dumps(field.default)}
                for field in fields(kind)
                if _is_simple(str(field.type))
            ],
        }
        for name, kind in sorted(Toxic.kinds.items())
        if kind.__module__.startswith("pytest_sharedworker.")
    ]


def read_attributes(kind: type[Toxic], given: Mapping[str, str]) -> dict[str, Any]:
    """Return a toxic's attributes from the texts of a form. Raise SharedWorkerError for what is no value."""
    types = {field.name: str(field.type) for field in fields(kind)}
    values: dict[str, Any] = {}
    for name, text in given.items():
        if name not in types:
            raise SharedWorkerError(f"the toxic {kind.name} has no {name!r}")
        if text == "":
            continue
        is_text = types[name].startswith("str")
        try:
            values[name] = text if is_text and not text.startswith('"') else json.loads(text)
        except ValueError as error:
            raise SharedWorkerError(f"{name} of the toxic {kind.name} cannot be {text!r}") from error
    required = [
        field.name for field in fields(kind) if field.default is MISSING and _is_simple(str(field.type))
    ]
    missing = [name for name in required if name not in values]
    if missing:
        raise SharedWorkerError(f"the toxic {kind.name} needs {', '.join(missing)}")
    return values


def _is_simple(annotation: str) -> bool:
    return annotation.split(" | ")[0] in ("int", "float", "str", "bool")
