"""How a browser requests a worker's script, and a prologue that is easy to recognize."""

from __future__ import annotations

from pytest_sharedworker.gateway.worker_support import NoWorkers

WORKER_HEADERS = ("Sec-Fetch-Dest: sharedworker", "Sec-Fetch-Mode: same-origin")


class Prologue(NoWorkers):
    """Puts `P;` in front of every script."""

    def prologue(self, inline_url: str | None = None, origin: str | None = None) -> str | None:
        """Return the prologue."""
        return "P;"
