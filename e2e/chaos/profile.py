"""What a browser profile and its workers knew of the configuration, and when.

The journal shows which responses reached a worker. The history adds what it does not show: changes of
consent, sessions that began offline, and whether the last configuration was on disk.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Container, Sequence

from e2e.chaos.config_gaps import Span, config_gaps, disabled_gaps, offline_gap
from e2e.chaos.model import DISABLED, NO_CONFIGURATION, DeliveryModel
from e2e.chaos.page import get_outbox
from pytest_sharedworker.gateway.exchange import Exchange
from pytest_sharedworker.gateway.journal import Journal
from pytest_sharedworker.workers.shared_worker import SharedWorker


class ProfileHistory:
    """The history of one browser profile. Times are seconds on the journal's clock."""

    def __init__(self, journal: Journal, model: DeliveryModel) -> None:
        self.consents: list[Span] = []
        """When consent was given: a worker that is alive begins a new session."""
        self._journal = journal
        self._model = model
        self._offline_sessions: dict[str, list[float]] = defaultdict(list)
        """By worker: when its sessions began offline, where they cannot read the configuration."""
        self._changes: dict[str, list[tuple[float, bool]]] = defaultdict(list)
        """By outbox: when a configuration was written or deleted, in order."""
        self._forgotten_at = -math.inf

    def note_consent(self, begin: float, end: float) -> None:
        """Note that consent was given in this time."""
        self.consents.append((begin, end))

    def note_offline_session(self, worker_id: str, at: float) -> None:
        """Note that a session began in a worker that was offline."""
        self._offline_sessions[worker_id].append(at)

    def remember_configuration(self, outbox: str, delivered: Exchange) -> None:
        """Note that a configuration that was delivered is on disk by now, unless it was deleted meanwhile."""
        changes = self._changes[outbox]
        last_change, is_remembered = changes[-1] if changes else (-math.inf, False)
        if not is_remembered and (delivered.ended_seconds or 0) > max(last_change, self._forgotten_at):
            changes.append((self._journal.seconds(), True))

    def forget_configuration(self) -> None:
        """Note that the configurations on disk are deleted, or no longer count."""
        self._forgotten_at = self._journal.seconds()
        for changes in self._changes.values():
            changes.append((self._forgotten_at, False))

    def exempt_gaps(
        self,
        worker: SharedWorker,
        requests: Sequence[Exchange],
        tabs: Container[str],
        was_disabled: Callable[[Exchange], bool],
    ) -> None:
        """Tell the model of the gaps of a worker, which these tabs used."""
        ended = math.inf
        if worker.closed_at is not None:
            ended = (worker.closed_at - self._journal.started_at).total_seconds()
        outbox = get_outbox(worker.url)

        def was_remembered(at: float) -> bool:
            changes = self._changes[outbox]
            number = bisect_right(changes, (at, False))
            return number > 0 and changes[number - 1][1]

        configurations = [request for request in requests if request.method == "GET"]
        gaps = config_gaps(configurations, self.consents, was_remembered=was_remembered, ended=ended)
        offline = [at for at in self._offline_sessions[worker.id] if not was_remembered(at)]
        for since, until in [*gaps, *(offline_gap(configurations, at, ended=ended) for at in offline)]:
            self._model.exempt_gap(since, until, NO_CONFIGURATION, tabs)
        for since, until in disabled_gaps(requests, was_disabled, ended=ended):
            self._model.exempt_gap(since, until, DISABLED, tabs)
