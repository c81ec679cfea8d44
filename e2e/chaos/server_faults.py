"""What an operator does to the server while it runs: its configuration, its database, the kill switch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from e2e.chaos.config_gaps import says_disabled
from e2e.chaos.model import DISABLED
from pytest_sharedworker.gateway.exchange import Exchange

if TYPE_CHECKING:
    from e2e.chaos.system import SystemUnderTest


class ServerFaults:
    """The operator's side of a system. Only `disabled` takes a promise back; the others must cost nothing."""

    def __init__(self, system: SystemUnderTest) -> None:
        self._system = system
        self._disabled: list[tuple[float, float]] = []
        """When telemetry was disabled, in seconds on the journal's clock."""
        self._seen: set[int] = set()

    @contextmanager
    def disabled(self) -> Iterator[None]:
        """Disable telemetry while the block runs: the kill switch."""
        system = self._system
        system.step_log.add("the server's telemetry is disabled")
        system.faults["telemetry disabled"] += 1
        begin = system.get_seconds()
        self._disabled.append((begin, math.inf))
        system.server.disable()
        yield
        system.server.enable()
        system.step_log.add("the server's telemetry is enabled")
        self._disabled[-1] = (begin, system.get_seconds())

    @contextmanager
    def broken_config(self, glitch: str) -> Iterator[None]:
        """Leave the configuration file broken while the block runs, as an editor does that saves in place."""
        system = self._system
        system.step_log.add(f"the server's configuration file is {glitch}")
        system.faults[f"configuration file {glitch}"] += 1
        system.server.break_config(glitch)
        yield
        system.server.enable()
        system.step_log.add("the server's configuration file is complete")

    def delete_database(self) -> None:
        """Delete the database under the running server."""
        self._system.step_log.add("the server's database is deleted")
        self._system.faults["database of the server deleted"] += 1
        self._system.server.delete_database()

    def replace_database(self) -> None:
        """Replace the database under the running server by a copy."""
        self._system.step_log.add("the server's database is replaced by a copy")
        self._system.faults["database of the server replaced"] += 1
        self._system.server.replace_database()

    @contextmanager
    def locked_database(self) -> Iterator[None]:
        """Lock the database while the block runs."""
        self._system.step_log.add("the server's database is locked")
        self._system.faults["database of the server locked"] += 1
        with self._system.server.lock_database():
            yield
        self._system.step_log.add("the server's database is unlocked")

    def was_disabled(self, exchange: Exchange) -> bool:
        """Return whether the operator had disabled telemetry while the server had this request."""
        ended = exchange.ended_seconds if exchange.ended_seconds is not None else math.inf
        return any(begin <= ended and exchange.started_seconds <= end for begin, end in self._disabled)

    def observe(self) -> None:
        """Tell the model of each worker that got to know that telemetry is disabled: it drops everything."""
        system = self._system
        if not self._disabled:
            return
        for worker in system.workers.history:
            for exchange in system.get_requests(worker.id):
                is_new = exchange.ended and exchange.number not in self._seen
                if is_new and self.was_disabled(exchange) and says_disabled(exchange):
                    self._seen.add(exchange.number)
                    tabs = system.tabs.get_names_of_outbox(worker.url)
                    system.model.exempt_unstored(set(system.server.get_stored_keys()), DISABLED, tabs)
                    system.profile.forget_configuration()
