"""The world of the chaos: real tabs, one worker, a server in a process of its own, and the books beside it.

Every method does one thing to the real world, in as little real time as that takes, enters into the books
what it means for the events, and writes a sentence into the diary. Nothing here is random.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from playwright.sync_api import BrowserContext, Page

from e2e.chaos.config_gaps import config_gaps, has_config
from e2e.chaos.faults import Method, Wire
from e2e.chaos.model import DeliveryModel, Verdict
from e2e.chaos.page import ELSEWHERE, ELSEWHERE_PATH, PAGE, PAGE_PATH
from e2e.chaos.server import ChaosServer
from e2e.chaos.server_crash import dying_at_next
from e2e.chaos.tab import ChaosTab
from e2e.conformance.accounting import get_event_key
from e2e.conformance.paths import CHECKOUT
from pytest_sharedworker.errors import WorkerClosedError
from pytest_sharedworker.gateway.exchange import Exchange
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.workers.crash import crash
from pytest_sharedworker.workers.shared_workers import SharedWorkers
from reference_server.api.telemetry import ENDPOINT

WORKER_DIRECTORY = CHECKOUT / "worker"
CONFIGURATION = f"GET {ENDPOINT}"
BATCHES = f"POST {ENDPOINT}"

LAST_SPANS_SECONDS = (30, 30, *[900] * 12)
"""The time that the world is given at the end: two flushes, then the longest pause after failures, often."""


class PageBrokenError(AssertionError):
    """A promise was not kept. The text has what was expected and seen, the diary and the journal's end."""


class SystemUnderTest:
    """One browser profile, its tabs and its worker, in front of a server."""

    def __init__(
        self,
        name: str,
        context: BrowserContext,
        gateway: Gateway,
        workers: SharedWorkers,
        server: ChaosServer,
    ) -> None:
        self.context = context
        self.gateway = gateway
        self.workers = workers
        self.server = server
        self.books = DeliveryModel()
        self.wire = Wire(gateway, ENDPOINT)
        self.step_log: list[str] = []
        self.faults: Counter[str] = Counter()
        """Faults other than those on the wire, each of which met something."""
        self.tabs: list[ChaosTab] = []
        self.consent = True
        self._name = name
        self._documents = 0
        self._workers_ended = 0
        gateway.mount(PAGE_PATH, PAGE, "text/html")
        gateway.mount(ELSEWHERE_PATH, ELSEWHERE, "text/html")
        server.begin_books()

    # --- tabs -------------------------------------------------------------------------------------

    def open_tab(self) -> ChaosTab:
        """Open a tab."""
        tab = self._load(self.context.new_page())
        self._say(f"{tab.name} opens")
        return tab

    def close_tab(self, tab: ChaosTab) -> None:
        """Close a tab, as a person does."""
        self._say(f"{tab.name} closes")
        self._leave(tab)
        tab.page.close()

    def reload_tab(self, tab: ChaosTab) -> None:
        """Reload a tab."""
        self._leave(tab)
        self._say(f"{tab.name} reloads, as {self._load(tab.page).name}")

    def leave_and_return(self, tab: ChaosTab) -> None:
        """Follow a link to another page of the origin, and come back to a fresh document."""
        self._leave(tab)
        tab.page.goto(self.gateway.url + ELSEWHERE_PATH)
        self._say(f"{tab.name} goes elsewhere and returns, as {self._load(tab.page).name}")

    def crash_tab(self, tab: ChaosTab) -> None:
        """Crash a tab's renderer, which may take the worker along."""
        self._connect()
        self._say(f"{tab.name} crashes")
        self.faults["tab crashed"] += 1
        self._leave(tab)
        crash(tab.page)
        tab.page.close()
        self.notice_crashes()

    def browser_dies(self, kill: Callable[[], None], reopen: Callable[[], BrowserContext]) -> None:
        """SIGKILL the whole browser, and open it again with as many tabs, one at least.

        Chromium writes localStorage with a delay of seconds, so that a change of consent just before may be
        forgotten: what the next tab finds there counts from now on.
        """
        self._say("the browser is killed, and opened again")
        self.faults["browser killed"] += 1
        count = len(self.tabs)
        for tab in list(self.tabs):
            self._leave(tab)
        kill()
        self.context = reopen()
        self.consent = self.open_tab().look()[0] != "off"
        for _ in range(count - 1):
            self.open_tab()

    def log(self, tab: ChaosTab, count: int = 1, padding: str = "") -> None:
        """Log events in a tab, all in one turn."""
        keys = self.books.next_keys(tab.name, count)
        at = self._now
        taken = tab.log(keys, padding)
        self._say(f"{tab.name} logs {count} ({'taken' if all(taken) else 'refused'})")
        self.books.log(tab.name, keys, taken, at, consent=self.consent)

    # --- faults -----------------------------------------------------------------------------------

    def break_wire(self, name: str, method: Method, times: int | None) -> None:
        """Put a fault on the wire."""
        self._say(f"the next {'' if times is None else f'{times} '}{method}: {name}")
        self.wire.put(name, method, times)

    def lift_faults(self) -> None:
        """Take all faults off the wire."""
        self._say("all faults on the wire are lifted")
        self.wire.lift()

    def terminate_worker(self) -> None:
        """End the worker under its tabs, without a word to them."""
        self._connect()
        for worker in self.workers.all:
            self._say("the worker is terminated")
            with suppress(WorkerClosedError):
                worker.terminate()
                self.faults["worker terminated"] += 1

    def set_offline(self, offline: bool) -> None:
        """Take the worker off the network, or back on."""
        for worker in self.workers.all:
            self._say(f"the worker goes {'off' if offline else 'on'}line")
            with suppress(WorkerClosedError):
                worker.set_offline(offline)
                self.faults["worker offline"] += offline

    def kill_server(self) -> None:
        """SIGKILL the server."""
        self._say("the server is killed")
        self.faults["server killed"] += self.server.is_running
        self.server.kill()

    @contextmanager
    def server_dying_at_next_post(self, delay_ms: int) -> Iterator[None]:
        """While the block runs: SIGKILL the server so long after the next batch was handed to it."""
        self._say(f"the server is to die {delay_ms} ms after it gets the next batch")
        with dying_at_next(self.gateway, self.server, BATCHES, delay_ms, self.faults):
            yield

    def restart_server(self) -> None:
        """Start the server again on its database."""
        self._say("the server is started again")
        self.server.restart()
        self.gateway.upstream.origin = self.server.url.rstrip("/")

    # --- consent ----------------------------------------------------------------------------------

    def opt_out(self, tab: ChaosTab, count: int = 0) -> None:
        """Withdraw consent in a tab, in the same turn in which it logs `count` events."""
        self._say(f"{tab.name} logs {count} and opts out")
        self.settle()
        on_the_wire = self._keys_on_the_wire()
        stored = self.server.stored()
        keys = self.books.next_keys(tab.name, count)
        taken = tab.log_and_opt_out(keys)
        self.books.log(tab.name, keys, taken, self._now, consent=self.consent)
        self._withdraw(stored, on_the_wire)
        self._told_others(tab, 1 if self.consent else 0)
        self.consent = False

    def opt_in(self, tab: ChaosTab) -> None:
        """Give consent in a tab."""
        self._say(f"{tab.name} opts in")
        tab.opt_in()
        self._told_others(tab, 0 if self.consent else 1)
        self.consent = True

    def flip(self, tab: ChaosTab, count: int, turns: int, spacing_ms: int) -> None:
        """Withdraw and give consent `turns` times, so far apart, with events before, between and after."""
        self._say(f"{tab.name} opts out and in {turns} times, {spacing_ms} ms apart, logs {count} each time")
        self.settle()
        on_the_wire = self._keys_on_the_wire()
        stored = self.server.stored()
        before, between, after = (self.books.next_keys(tab.name, count) for _ in range(3))
        at = self._now
        taken = tab.flip(before, between, after, turns, spacing_ms)
        self.books.log(tab.name, before, taken[0], at, consent=True)
        self.books.log(tab.name, between, taken[1], at, consent=False)
        self._withdraw(stored, on_the_wire)
        self.books.log(tab.name, after, taken[2], at, consent=True)
        # A value that is written again is no change, and is not told.
        self._told_others(tab, 2 * turns - (not self.consent))
        self.consent = True

    def _withdraw(self, stored: list[str], on_the_wire: set[str]) -> None:
        self.books.worker_ends(stored)
        self.books.consent_withdrawn(set(stored), on_the_wire)

    def _told_others(self, tab: ChaosTab, changes: int) -> None:
        for other in self.tabs:
            if other is not tab and not other.wait_for_consents(changes):
                raise self.broken(f"{other.name} does not hear of the consent that {tab.name} changed")

    # --- time -------------------------------------------------------------------------------------

    def pass_time(self, seconds: float) -> None:
        """Let virtual time pass."""
        self._say(f"{seconds:g} s pass")
        self.settle()
        self.workers.advance(seconds)
        self.observe()

    def settle(self) -> None:
        """Wait until every tab is where its consent wants it, and the worker has done what it was told."""
        self._connect()
        self.workers.advance(0)
        self.observe()

    def settle_down(self) -> None:
        """As `settle`, and where the worker knows its configuration, until it has acknowledged all events."""
        self.settle()
        if all(has_config(self.gateway.journal, CONFIGURATION, worker.id) for worker in self.workers.all):
            self._await_acknowledgements()

    def observe(self) -> None:
        """Enter into the books what has become known."""
        for tab in self.tabs:
            _, acknowledged = tab.look()
            self.books.acknowledge(tab.name, acknowledged, self._now)
        ended = sum(worker.ended for worker in self.workers.starts)
        if ended != self._workers_ended:
            self._workers_ended = ended
            self.books.worker_ends(self.server.stored())

    def notice_crashes(self) -> None:
        """Take tabs off the books that crashed together with another, whose renderer they shared."""
        for tab in [tab for tab in self.tabs if tab.crashed]:
            self._say(f"{tab.name} has crashed too")
            self._leave(tab)
            tab.page.close()

    # --- the end ----------------------------------------------------------------------------------

    def close_books(self) -> Verdict:
        """Mend everything, give it time, and compare. Raise PageBrokenError where a promise was not kept."""
        self._mend()
        if not self.tabs:
            self.open_tab()
        if not self.consent:  # What was dropped must not come with a later consent either.
            self.opt_in(self.tabs[0])
        self.log(self.tabs[0])
        self.settle()
        # A server that said 404 hears from the next worker only.
        self.terminate_worker()
        self._say(f"up to {sum(LAST_SPANS_SECONDS) / 3600:.1f} h pass")
        for seconds in LAST_SPANS_SECONDS:
            self.settle()
            if self.books.required() <= set(self.server.stored()):
                break
            self.workers.advance(seconds)
        self._await_acknowledgements()
        for since, until in config_gaps(self.gateway.journal, CONFIGURATION):
            self.books.exempt_config_gap(since, until)
        self.gateway.raise_handler_error()
        return self.books.close(self.server.records())

    def check(self) -> Verdict:
        """Close the books. Raise PageBrokenError where they do not balance."""
        verdict = self.close_books()
        if not verdict.balanced:
            raise self.broken(str(verdict))
        return verdict

    def _mend(self) -> None:
        self.lift_faults()
        if not self.server.is_running:
            self.restart_server()
        self.set_offline(False)

    def _await_acknowledgements(self) -> None:
        for tab in self.tabs:
            awaited = self.books.awaited(tab.name)
            if not tab.wait_for_acknowledgement(awaited):
                raise self.broken(f"no worker has acknowledged what {tab.name} took, up to seq {awaited}")
        self.observe()

    def broken(self, what: str) -> PageBrokenError:
        """The failure, with all that led to it."""
        steps = "\n".join(f"{number:4}. {sentence}" for number, sentence in enumerate(self.step_log, 1))
        return PageBrokenError(
            f"{what}\n\nWhat happened:\n{steps}\n\n{self.gateway.journal.tail()}\n{self.workers.explain()}"
        )

    # --- helpers ----------------------------------------------------------------------------------

    @property
    def _now(self) -> float:
        return self.gateway.journal.seconds()

    def _say(self, sentence: str) -> None:
        self.step_log.append(sentence)

    def _connect(self) -> None:
        """Wait until every tab is where its consent wants it.

        Also before a worker ends: the harness waits in vain for one that ended before its first line.
        """
        wanted = "worker" if self.consent else "off"
        for tab in self.tabs:
            if not tab.wait_for_state(wanted):
                raise self.broken(f"{tab.name} is {tab.look()[0]!r}, not {wanted!r}")

    def _load(self, page: Page) -> ChaosTab:
        self._documents += 1
        page.goto(self.gateway.url + PAGE_PATH)
        tab = ChaosTab(page, f"{self._name}-tab-{self._documents}")
        self.tabs.append(tab)
        return tab

    def _leave(self, tab: ChaosTab) -> None:
        """The tab's document ends; what it has heard by now counts."""
        if not tab.crashed:
            self.books.acknowledge(tab.name, tab.look()[1], self._now)
        self.books.tab_died(tab.name)
        self.tabs.remove(tab)

    def _keys_on_the_wire(self) -> set[str]:
        under_way = [each for each in self.gateway.journal.select(BATCHES) if not each.ended]
        return {key for exchange in under_way for key in _keys_of(exchange)}


def _keys_of(exchange: Exchange) -> list[str]:
    return [get_event_key(record) for record in exchange.json()["records"]]
