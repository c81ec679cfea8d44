"""What happens to the data of an origin in the browser: databases, locks, localStorage, the quota.

The person at the browser does it, or another build of the app. None of it withdraws consent.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from e2e.chaos.model import LoggedEvent
from e2e.chaos.page import (
    CHANGE_DATABASES,
    DELETE_DATABASES,
    FILL_STORAGE,
    FREE_STORAGE,
    RELEASE_LOCKS,
    STEAL_LOCKS,
    get_outbox,
)
from e2e.chaos.tab import ChaosTab

if TYPE_CHECKING:
    from e2e.chaos.system import SystemUnderTest

QUOTA_BYTES = 1
"""Less than any record needs."""


class SiteData:
    """The data of the origin of a system."""

    def __init__(self, system: SystemUnderTest) -> None:
        self._system = system
        self.is_quota_exceeded = False
        """Whether the browser refuses to write databases."""
        self.is_storage_full = False
        """Whether localStorage is full to the last character."""
        self.are_locks_held = False
        """Whether a tab may hold stolen locks."""

    # --- databases --------------------------------------------------------------------------------

    def clear(self, tab: ChaosTab) -> None:
        """Clear the databases of the origin, as "clear site data" does: the browser closes them."""
        self._begin("site data cleared", f"the databases are cleared ({tab.name})")
        self._clear_databases(tab)
        self._confirm_outbox()

    def exceed_quota(self, tab: ChaosTab) -> None:
        """Clear the databases, and refuse all writes from then on.

        Chromium caches the free space for half a minute of real time; a cleared origin has no cache.
        """
        self._begin("quota exceeded", f"the quota is exceeded and the databases are cleared ({tab.name})")
        self.is_quota_exceeded = True
        self._set_quota(tab, QUOTA_BYTES)
        self._clear_databases(tab)

    def restore_quota(self, tab: ChaosTab) -> None:
        """Allow writes again."""
        self._system.step_log.add("there is space again")
        self._set_quota(tab, None)
        self.is_quota_exceeded = False
        self._system.profile.forget_configuration()  # What was read meanwhile is not on disk.

    def delete_databases(self, tab: ChaosTab) -> None:
        """Delete the databases by the API that a page has."""
        self._begin("database deleted", f"{tab.name} deletes the databases")
        tab.page.evaluate(DELETE_DATABASES)
        self._forget()
        self._confirm_outbox()

    def replace_databases(self, tab: ChaosTab) -> None:
        """Delete the databases, and create them as another build would that has other stores."""
        self._begin("database replaced", f"{tab.name} replaces the databases by those of another build")
        tab.page.evaluate(CHANGE_DATABASES, True)
        self._forget()
        self._confirm_outbox()

    def upgrade_databases(self, tab: ChaosTab) -> None:
        """Raise the version of the databases, as a later build does that adds a store: nothing is lost."""
        self._begin("database upgraded", f"{tab.name} upgrades the databases as a later build does")
        tab.page.evaluate(CHANGE_DATABASES, False)

    # --- locks ------------------------------------------------------------------------------------

    def steal_locks(self, tab: ChaosTab, *, is_held: bool) -> None:
        """Steal all locks of the origin; hold them until the tab ends or `repair`, or not at all."""
        self._begin("locks stolen", f"{tab.name} steals all locks" + (" and holds them" if is_held else ""))
        # Another worker may post the records of one that has no lock: no order between the two.
        self._system.model.check_order(self._system.server.get_stored_keys())
        self.are_locks_held |= is_held
        tab.page.evaluate(STEAL_LOCKS, is_held)

    def release_locks(self) -> None:
        """Release all stolen locks."""
        for tab in self._system.tabs:
            tab.page.evaluate(RELEASE_LOCKS)
        self.are_locks_held = False
        self._system.model.check_order(self._system.server.get_stored_keys())

    # --- localStorage -----------------------------------------------------------------------------

    def fill_storage(self, tab: ChaosTab) -> None:
        """Fill localStorage to the last character."""
        self._begin("localStorage full", f"{tab.name} fills localStorage")
        tab.page.evaluate(FILL_STORAGE)
        self.is_storage_full = True

    def free_storage(self, tab: ChaosTab) -> None:
        """Make room in localStorage."""
        self._system.step_log.add(f"{tab.name} makes room in localStorage")
        tab.page.evaluate(FREE_STORAGE)
        self.is_storage_full = False
        if self._system.consent:
            self._system.opt_in(tab)  # A tab that was off for want of space looks again.

    # --- the end ----------------------------------------------------------------------------------

    def note_browser_restart(self) -> None:
        """Note that the browser was killed: a quota of DevTools ends with it, and so do the locks."""
        if self.is_quota_exceeded:
            self.is_quota_exceeded = False
            self._system.profile.forget_configuration()

    def repair(self) -> None:
        """Undo what lasts."""
        tab = self._system.tabs.get(0)
        if self.is_quota_exceeded:
            self.restore_quota(tab)
        if self.is_storage_full:
            self.free_storage(tab)
        self.release_locks()

    def _begin(self, fault: str, sentence: str) -> None:
        """Give the workers the time to write what they have read, so that the step is not a race."""
        self._system.settle()
        self._system.step_log.add(sentence)
        self._system.faults[fault] += 1

    def _set_quota(self, tab: ChaosTab, quota_bytes: int | None) -> None:
        session = tab.page.context.new_cdp_session(tab.page)
        quota = {} if quota_bytes is None else {"quotaSize": quota_bytes}
        session.send("Storage.overrideQuotaForOrigin", {"origin": self._system.gateway.url, **quota})
        session.detach()

    def _clear_databases(self, tab: ChaosTab) -> None:
        session = tab.page.context.new_cdp_session(tab.page)
        session.send(
            "Storage.clearDataForOrigin", {"origin": self._system.gateway.url, "storageTypes": "indexeddb"}
        )
        session.detach()
        self._forget()

    def _forget(self) -> None:
        system = self._system
        stored = set(system.server.get_stored_keys())
        system.model.delete_outboxes(stored, self._find_events_in_memory())
        system.profile.forget_configuration()

    def _find_events_in_memory(self) -> Callable[[LoggedEvent], bool]:
        """Return a function that tells of an acknowledged event whether a running worker has it in memory.

        A worker has what it acknowledged itself, and recovers at its start, once it has a configuration, what
        workers left behind that had ended by then.
        """
        system = self._system
        journal = system.gateway.journal
        recovered_until: dict[str, float] = defaultdict(lambda: -math.inf)
        for worker in system.workers.alive:
            if system.is_configured(worker) and not self.are_locks_held:
                started = (worker.started_at - journal.started_at).total_seconds()
                outbox = get_outbox(worker.url)
                recovered_until[outbox] = max(recovered_until[outbox], started)
        abandoned: list[tuple[set[str], float, float]] = []
        for worker in system.workers.history:
            if worker.closed_at is not None:
                ended = (worker.closed_at - journal.started_at).total_seconds()
                if ended >= recovered_until[get_outbox(worker.url)]:
                    started = (worker.started_at - journal.started_at).total_seconds()
                    abandoned.append((system.tabs.get_names(urlsplit(worker.url).path), started, ended))

        def is_in_memory(event: LoggedEvent) -> bool:
            return not any(
                event.tab in tabs and event.logged_at <= ended and (event.acknowledged_at or 0) >= started
                for tabs, started, ended in abandoned
            )

        return is_in_memory

    def _confirm_outbox(self) -> None:
        """Wait until the workers have written again what they have in memory.

        They have when they acknowledge further events as durable. Without consent, or with a worker that has
        no tab or no configuration, that remains in doubt.
        """
        system = self._system
        with_tabs = {tab.build.worker_path for tab in system.tabs}
        workers = {urlsplit(worker.url).path for worker in system.workers.alive}
        if not system.consent or not workers <= with_tabs:
            return
        for tab in system.tabs:
            system.log_events(tab)
        system.settle()
        if system.can_acknowledge() and not self.is_quota_exceeded:
            system.wait_for_acknowledgments()
            states = [tab.read_state() for tab in system.tabs]
            if all(state.durable == state.acknowledged for state in states):
                system.model.confirm_outboxes()
