"""The system under test: real tabs, one worker, and a server in its own process, with the model beside them.

Every method does one thing to the real system, in as little real time as possible, tells the model what that
means for the events, and adds a sentence to the step log. Nothing here is random.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext

from e2e.chaos.config_gaps import has_config
from e2e.chaos.faults import Method, RequestFaults
from e2e.chaos.model import DeliveryModel
from e2e.chaos.page import MODULES, SECOND, Build, get_outbox
from e2e.chaos.profile import ProfileHistory
from e2e.chaos.request_bound import CONNECTIONS_PER_SECOND, MAX_CONNECTIONS_PER_STEP, RequestBound
from e2e.chaos.server import ChaosServer
from e2e.chaos.server_crash import kill_at_next_request
from e2e.chaos.server_faults import ServerFaults
from e2e.chaos.site_data import SiteData
from e2e.chaos.step_log import StepLog
from e2e.chaos.tab import ChaosTab
from e2e.chaos.tabs import Tabs
from e2e.conformance.accounting import get_event_key
from e2e.conformance.paths import CHECKOUT
from pytest_sharedworker.errors import WorkerClosedError
from pytest_sharedworker.gateway.exchange import Exchange
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.workers.persistent_browser import PersistentBrowser
from pytest_sharedworker.workers.shared_worker import SharedWorker
from pytest_sharedworker.workers.shared_workers import SharedWorkers
from reference_server.api.telemetry import ENDPOINT

WORKER_DIRECTORY = CHECKOUT / "worker"
ALL_REQUESTS = f"**{ENDPOINT}"
CONFIGURATION = f"GET **{ENDPOINT}"
BATCHES = f"POST **{ENDPOINT}"


class SystemUnderTest:
    """One browser profile, its tabs and its worker, in front of a server.

    `browser` is the browser of this profile alone, None where it cannot be killed. `can_crash_tabs`: whether
    the browser can crash a tab's renderer. `can_clear_site_data`: whether it can clear the data of an origin
    and set a quota. `has_bundle`: whether the bundle is served.
    """

    def __init__(
        self,
        name: str,
        context: BrowserContext,
        gateway: Gateway,
        workers: SharedWorkers,
        server: ChaosServer,
        *,
        can_crash_tabs: bool,
        can_clear_site_data: bool,
        has_bundle: bool,
        browser: PersistentBrowser | None = None,
    ) -> None:
        self.gateway = gateway
        self.workers = workers
        self.server = server
        self.browser = browser
        self.can_crash_tabs = can_crash_tabs
        self.can_clear_site_data = can_clear_site_data
        self.has_bundle = has_bundle
        self.model = DeliveryModel()
        self.step_log = StepLog(gateway, workers)
        self.tabs = Tabs(name, context, gateway, self.model, self.step_log)
        self.request_faults = RequestFaults(gateway, ENDPOINT)
        self.faults: Counter[str] = Counter()
        """Faults other than those of requests."""
        self.consent = True
        self.is_server_up = True
        """Whether the steps so far leave the server running."""
        self.is_offline = False
        """Whether the last step for the network took the worker offline; a new worker is online."""
        self.profile = ProfileHistory(gateway.journal, self.model)
        self.site_data = SiteData(self)
        self.server_faults = ServerFaults(self)
        self.times_online = 0
        """How often the worker was brought back on the network."""
        self._offline_workers: set[str] = set()
        self._request_bound = RequestBound()
        self._workers_ended = 0
        self._last_look = self.get_seconds()
        server.skip_stored_records()

    def count_faults(self) -> Counter[str]:
        """Return how often each fault was applied."""
        return self.faults + self.request_faults.count()

    def open_tab(self, build: Build = MODULES) -> ChaosTab:
        """Open a tab with a build of the client; without a bundle, with the modules under another URL."""
        return self.tabs.open(SECOND if build.is_bundle and not self.has_bundle else build)

    def leave_outbox(self, build: Build) -> None:
        """Close every tab that shares an outbox with a build, and terminate the workers: it has none then."""
        for tab in self.tabs:
            if get_outbox(tab.build.worker_path) == get_outbox(build.worker_path):
                self.tabs.close(tab)
        self.terminate_worker()

    # --- events and consent -----------------------------------------------------------------------

    def log_events(self, tab: ChaosTab, count: int = 1, padding: str = "") -> None:
        """Log events in a tab, all in one task."""
        keys = self.model.make_keys(tab.name, count)
        at = self.get_seconds()
        accepted = tab.log(keys, padding)
        self.step_log.add(f"{tab.name} logs {count} ({'accepted' if all(accepted) else 'refused'})")
        self.model.log(tab.name, keys, accepted, at, consent=self.consent)

    def opt_out(self, tab: ChaosTab, count: int = 0) -> None:
        """Withdraw consent in a tab, in the same task in which it logs `count` events."""
        self.step_log.add(f"{tab.name} logs {count} and opts out")
        self.settle()
        in_requests = self._get_keys_in_requests()
        stored = self.server.get_stored_keys()
        keys = self.model.make_keys(tab.name, count)
        accepted = tab.log_and_opt_out(keys)
        self.model.log(tab.name, keys, accepted, self.get_seconds(), consent=self.consent)
        self._withdraw_consent(stored, in_requests)
        self.tabs.wait_for_changes_of(tab)
        self.consent = False
        self.wait_until_connected()

    def opt_in(self, tab: ChaosTab) -> None:
        """Give consent in a tab."""
        self.step_log.add(f"{tab.name} opts in")
        with self._note_consent():
            tab.opt_in()
            self.tabs.wait_for_changes_of(tab)
        self.consent = True

    def flip_consent(self, tab: ChaosTab, count: int, turns: int, spacing_ms: int) -> None:
        """Withdraw and give consent `turns` times, so far apart, with events before, between and after."""
        self.step_log.add(
            f"{tab.name} opts out and in {turns} times, {spacing_ms} ms apart, logs {count} each time"
        )
        self.settle()
        in_requests = self._get_keys_in_requests()
        stored = self.server.get_stored_keys()
        before, between, after = (self.model.make_keys(tab.name, count) for _ in range(3))
        # The sessions that begin meanwhile find no configuration on disk.
        self.profile.forget_configuration()
        at = self.get_seconds()
        for _ in range(turns - 1):
            self.profile.note_consent(at, at)
        with self._note_consent():
            accepted = tab.flip_consent(before, between, after, turns, spacing_ms)
        self.model.log(tab.name, before, accepted[0], at, consent=True)
        self.model.log(tab.name, between, accepted[1], at, consent=False)
        self._withdraw_consent(stored, in_requests)
        self.model.log(tab.name, after, accepted[2], at, consent=True)
        self.tabs.wait_for_changes_of(tab)
        self.consent = True

    @contextmanager
    def _note_consent(self) -> Iterator[None]:
        """Note that consent is given while the block runs."""
        begin = self.get_seconds()
        for worker in self.workers.alive:
            if worker.id in self._offline_workers:
                self.profile.note_offline_session(worker.id, begin)
        yield
        self.profile.note_consent(begin, self.get_seconds())

    def _withdraw_consent(self, stored: list[str], in_requests: set[str]) -> None:
        self.model.check_order(stored)
        self.model.withdraw_consent(set(stored), in_requests)
        self.profile.forget_configuration()

    # --- faults -----------------------------------------------------------------------------------

    def add_request_fault(self, name: str, method: Method, times: int | None) -> None:
        """Add a fault to the next requests of a method."""
        self.step_log.add(f"fault for the next {'' if times is None else f'{times} '}{method}: {name}")
        self.request_faults.add(name, method, times)

    def remove_request_faults(self) -> None:
        """Remove all faults of requests."""
        self.step_log.add("all faults of requests are removed")
        self.request_faults.remove_all()

    def crash_tab(self, tab: ChaosTab) -> None:
        """Crash a tab's renderer, which may take the worker along."""
        self.wait_until_connected()
        self.faults["tab crashed"] += 1
        self.tabs.crash(tab)

    def kill_browser(self) -> None:
        """SIGKILL the whole browser, and reopen it with as many tabs, at least one.

        Chromium writes localStorage with a delay of seconds, so that a recent change of consent may be lost:
        the state of the next tab decides.
        """
        assert self.browser is not None
        self.step_log.add("the browser is killed and reopened")
        self.faults["browser killed"] += 1
        count = len(self.tabs)
        for tab in self.tabs:
            self.tabs.end(tab)
        self.browser.kill()
        self.tabs.context = self.browser.reopen()
        self.site_data.note_browser_restart()
        self.consent = self.tabs.open().read_consent() != "false"
        for _ in range(count - 1):
            self.tabs.open()

    def terminate_worker(self) -> None:
        """Terminate the worker while its tabs continue; they are not notified."""
        # The plugin cannot reach a worker that ends before its first line.
        self.wait_until_connected()
        for worker in self.workers.alive:
            self.step_log.add("the worker is terminated")
            with suppress(WorkerClosedError):
                worker.terminate()
                self.faults["worker terminated"] += 1

    def set_offline(self, offline: bool) -> None:
        """Take the worker off the network, or back on."""
        self.is_offline = offline
        for worker in self.workers.alive:
            self.step_log.add(f"the worker goes {'off' if offline else 'on'}line")
            with suppress(WorkerClosedError):
                worker.set_offline(offline)
                (self._offline_workers.add if offline else self._offline_workers.discard)(worker.id)
                self.times_online += not offline
                self.faults["worker offline"] += offline

    def kill_server(self) -> None:
        """SIGKILL the server."""
        self.step_log.add("the server is killed")
        self.faults["server killed"] += self.server.is_running
        self.is_server_up = False
        self.server.kill()

    @contextmanager
    def kill_server_at_next_batch(self, delay_ms: int) -> Iterator[None]:
        """While the block runs: SIGKILL the server so long after it got the next batch; then restart it."""
        self.step_log.add(f"the server will be killed {delay_ms} ms after it gets the next batch")
        with kill_at_next_request(self.gateway, self.server, BATCHES, delay_ms, self.faults):
            yield
        if not self.server.is_running:
            self.restart_server()

    def restart_server(self) -> None:
        """Start the server again on its database."""
        self.step_log.add("the server is restarted")
        self.is_server_up = True
        self.server.restart()
        self.gateway._upstream.origin = self.server.url.rstrip("/")

    # --- time -------------------------------------------------------------------------------------

    def pass_time(self, seconds: float) -> None:
        """Let the workers' virtual time pass."""
        self.step_log.add(f"{seconds:g} s pass")
        self.settle()
        self.advance_clocks(seconds)
        self.observe()

    def wait_until_connected(self) -> None:
        """Wait until every tab is connected to a worker, or off without consent.

        Where localStorage is full a tab may be off with consent: it could not store a later opt-out.
        """
        if not self.consent:
            self.tabs.wait_for_state("off")
        elif self.site_data.is_storage_full:
            self.tabs.wait_for_state("worker", "off")
        else:
            self.tabs.wait_for_state("worker")

    def settle(self) -> None:
        """Wait until every tab is connected, or off, and the worker has handled all messages."""
        self.wait_until_connected()
        self.advance_clocks(0)
        self.observe()

    def settle_and_acknowledge(self) -> None:
        """Settle; if every worker has its configuration, wait until all events are acknowledged."""
        self.settle()
        if self.can_acknowledge():
            self.wait_for_acknowledgments()

    def can_acknowledge(self) -> bool:
        """Return whether every worker has read its configuration, so that no event waits for it."""
        return all(map(self.is_configured, self.workers.alive))

    def is_configured(self, worker: SharedWorker) -> bool:
        """Return whether the worker's last request for its configuration has succeeded."""
        return has_config(self.get_requests(worker.id, CONFIGURATION))

    def wait_for_acknowledgments(self) -> None:
        """Wait until workers have acknowledged all events that the clients accepted."""
        self.tabs.wait_for_acknowledgments()
        self.observe()

    def advance_clocks(self, seconds: float) -> None:
        """Advance the workers' clocks, without a sentence in the log."""
        self.workers.clock.run_for(seconds * 1000)

    def observe(self) -> None:
        """Tell the model what is acknowledged, whether a worker has ended, and what the server has told."""
        self.tabs.observe()
        ended = sum(worker.is_closed() for worker in self.workers.history)
        if ended != self._workers_ended:
            self._workers_ended = ended
            self.model.end_worker(self.server.get_stored_keys())
        self.server_faults.observe()
        if not self.site_data.is_quota_exceeded:
            for worker in self.workers.alive:
                configurations = self.get_requests(worker.id, CONFIGURATION)
                if has_config(configurations):
                    self.profile.remember_configuration(get_outbox(worker.url), configurations[-1])
        self._check_bounds()

    def get_requests(self, worker_id: str, pattern: str = ALL_REQUESTS) -> list[Exchange]:
        """Return the requests of a worker to the endpoint."""
        return self.gateway.journal.select(pattern, worker_id=worker_id)

    def exempt_gaps(self) -> None:
        """Tell the model when workers had no configuration, or a disabled one."""
        for worker in self.workers.history:
            tabs = self.tabs.get_names(urlsplit(worker.url).path)
            requests = self.get_requests(worker.id)
            self.profile.exempt_gaps(worker, requests, tabs, self.server_faults.was_disabled)

    def find_flood(self) -> str | None:
        """Return a sentence about the first place where a worker sent too many requests; None without one."""
        requests = self.gateway.journal.select(ALL_REQUESTS, sender="worker")
        floods = self._request_bound.find_floods(
            requests, sessions_started=2 * len(self.profile.consents), times_online=self.times_online
        )
        return next((f"too many requests: {flood}" for flood in floods), None)

    def _check_bounds(self) -> None:
        """Raise BrokenPromiseError where workers or tabs do without end what they may do now and then."""
        flood = self.find_flood()
        if flood is not None:
            raise self.step_log.make_error(flood)
        now = self.get_seconds()
        limit = MAX_CONNECTIONS_PER_STEP + CONNECTIONS_PER_SECOND * (now - self._last_look)
        self._last_look = now
        for name, count in self.tabs.count_new_connections().items():
            if count > limit:
                raise self.step_log.make_error(
                    f"{name} connected {count} times to a worker, at most {limit:.0f} expected"
                )

    def get_seconds(self) -> float:
        """Return the time on the journal's clock."""
        return self.gateway.journal.seconds()

    def _get_keys_in_requests(self) -> set[str]:
        pending = [exchange for exchange in self.gateway.journal.select(BATCHES) if not exchange.ended]
        return {get_event_key(record) for exchange in pending for record in exchange.json()["records"]}
