"""Down: a server that is not there."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_sharedworker.gateway.toxics.base import Toxic


@dataclass(frozen=True)
class Down(Toxic):
    """Refuse every connection to the origin, and break those that are open.

    With `at_worker_start` it begins when the next worker starts, before that worker's first line.
    """

    at_worker_start: bool = False

    streams = ("upstream",)

    def refuses_connections(self, *, worker_started: bool) -> bool:
        """Return True, or with `at_worker_start` whether a worker has started."""
        return worker_started or not self.at_worker_start
