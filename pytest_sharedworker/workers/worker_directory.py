"""What the gateway needs to know of the workers of one test."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pytest_sharedworker.control.session import WorkerRegistry
from pytest_sharedworker.workers.start_gate import StartGate


class WorkerDirectory:
    """Supplies the gateway with prologues, the start gate and descriptions of workers.

    See `pytest_sharedworker.gateway.worker_support`.
    """

    def __init__(
        self,
        registry: WorkerRegistry,
        gate: StartGate | None,
        *,
        make_prologue: Callable[[str | None, str | None], str | None],
        list_page_scripts: Callable[[], Sequence[str]],
        explain: Callable[[], str],
    ) -> None:
        self._registry = registry
        self._gate = gate
        self._make_prologue = make_prologue
        self._list_page_scripts = list_page_scripts
        self._explain = explain

    @property
    def has_gate(self) -> bool:
        """Whether scripts wait at the start gate."""
        return self._gate is not None

    def prologue(self, inline_url: str | None = None, origin: str | None = None) -> str | None:
        """Return the prologue of the next worker, where it gets one."""
        return self._make_prologue(inline_url, origin)

    def page_scripts(self) -> Sequence[str]:
        """Return the scripts that documents run first, for browsers without init scripts."""
        return self._list_page_scripts()

    async def wait_at_gate(self, path: str) -> None:
        """Return when the script at `path` may be sent."""
        if self._gate is not None:
            await self._gate.wait(path)

    def describe(self, worker_id: str) -> str:
        """Return a worker's name or URL for a person."""
        for channel in list(self._registry.channels):
            if channel.id == worker_id:
                return str(channel)
        return f"worker {worker_id}"

    def explain(self) -> str:
        """Return what the workers wrote and threw."""
        return self._explain()

    def worker_at(self, url: str) -> str | None:
        """Return the id of the worker whose script has this URL; None where there is none, or several."""
        channels = [channel for channel in list(self._registry.channels) if not channel.ended]
        ids = [channel.id for channel in channels if channel.url == url]
        if not ids and self._gate is not None:
            sessions = [session for session in list(self._gate.sessions) if not session.ended]
            ids = [session.target.id for session in sessions if session.target.url == url]
        return ids[0] if len(ids) == 1 else None

    def has_worker(self, url: str) -> bool:
        """Return whether a worker lives whose script has this URL."""
        return any(channel.url == url and not channel.ended for channel in list(self._registry.channels))
