"""What the gateway needs to know of workers; `gateway._attach` supplies it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class WorkerSupport(Protocol):
    """Describes the workers of a test. The gateway calls it in its own thread and in the test's."""

    @property
    def has_gate(self) -> bool:
        """Whether scripts wait at a gate, so that none may come from a cache."""

    def prologue(self, inline_url: str | None = None, origin: str | None = None) -> str | None:
        """Return what is put in front of a worker's script; None: the script is not changed.

        `inline_url` is the URL of a script that the gateway does not serve, `origin` that of its page.
        """

    def page_scripts(self) -> Sequence[str]:
        """Return the scripts that documents run first, for browsers without init scripts."""

    async def wait_at_gate(self, path: str) -> None:
        """Return when the script at `path` (with its query) may be sent."""

    def describe(self, worker_id: str) -> str:
        """Return a worker's title for a person."""

    def explain(self) -> str:
        """Return what to show when a wait fails, such as the workers' console; "" for nothing."""

    def worker_at(self, url: str) -> str | None:
        """Return the id of the worker whose script has this URL; None for no worker, or several."""

    def has_worker(self, url: str) -> bool:
        """Return whether a worker lives whose script has this URL."""


class NoWorkers:
    """Supports no workers: scripts are not changed."""

    has_gate = False

    def prologue(self, inline_url: str | None = None, origin: str | None = None) -> str | None:
        """Return None."""
        return None

    def page_scripts(self) -> Sequence[str]:
        """Return none."""
        return ()

    async def wait_at_gate(self, path: str) -> None:
        """Return at once."""

    def describe(self, worker_id: str) -> str:
        """Return the worker's id."""
        return f"worker {worker_id}"

    def explain(self) -> str:
        """Return nothing."""
        return ""

    def worker_at(self, url: str) -> str | None:
        """Return None."""
        return None

    def has_worker(self, url: str) -> bool:
        """Return False."""
        return False


class AttachedWorkers:
    """Delegates to the support that is attached; the gateway's parts hold this one from the start."""

    def __init__(self) -> None:
        self._support: WorkerSupport = NoWorkers()

    def attach(self, support: WorkerSupport) -> None:
        """Use `support` from now on."""
        self._support = support

    @property
    def has_gate(self) -> bool:
        """Whether scripts wait at a gate."""
        return self._support.has_gate

    def prologue(self, inline_url: str | None = None, origin: str | None = None) -> str | None:
        """Return what is put in front of a worker's script."""
        return self._support.prologue(inline_url, origin)

    def page_scripts(self) -> Sequence[str]:
        """Return the scripts that documents run first."""
        return self._support.page_scripts()

    async def wait_at_gate(self, path: str) -> None:
        """Return when a script may be sent."""
        await self._support.wait_at_gate(path)

    def describe(self, worker_id: str) -> str:
        """Return a worker's title for a person."""
        return self._support.describe(worker_id)

    def explain(self) -> str:
        """Return what to show when a wait fails."""
        return self._support.explain()

    def worker_at(self, url: str) -> str | None:
        """Return the id of the worker whose script has this URL."""
        return self._support.worker_at(url)

    def has_worker(self, url: str) -> bool:
        """Return whether a worker lives whose script has this URL."""
        return self._support.has_worker(url)
