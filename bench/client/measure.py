"""Measure the calls in real pages of Chromium, each client in turn."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import count

from playwright.sync_api import Browser, BrowserContext, CDPSession, Page

from bench.client.peers import Client
from bench.client.sink import Sink
from bench.report import Samples

SETTLE_MS = 700
"""Pause between the load of the page and the calls."""
SIDE_BY_SIDE = 4
"""Profiles that are open at the same time while only requests and bytes count."""

_BURST = """([calls, mark]) => {
    const began = performance.now();
    for (let number = 0; number < calls; number++) {
        log({ componentId: `bench-mark-${mark}-${number}`, eventType: "onClick", componentType: "button" });
    }
    return (performance.now() - began) * 1000 / calls;
}"""
# A message starts a task of its own, as a click does, without a timer's minimal delay.
_SPREAD = """([calls, mark]) => new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    let number = 0;
    port1.onmessage = () => {
        if (number === calls) return resolve(port1.close());
        log({ componentId: `bench-mark-${mark}-${number}`, eventType: "onClick", componentType: "button" });
        number++;
        port2.postMessage(0);
    };
    port2.postMessage(0);
})"""
_READY = "() => self.ready"


@dataclass(frozen=True)
class Plan:
    """How much to measure."""

    rounds: int
    calls: int
    follow_up_ms: int
    tabs: int
    calls_of_tab: int
    drain_ms: int


FULL = Plan(rounds=5, calls=2000, follow_up_ms=3500, tabs=10, calls_of_tab=50, drain_ms=33_000)
QUICK = Plan(rounds=1, calls=2000, follow_up_ms=1500, tabs=3, calls_of_tab=50, drain_ms=0)


@dataclass
class Costs:
    """Values in microseconds a call, one a round."""

    burst_wall: list[float] = field(default_factory=list)
    burst_cpu: list[float] = field(default_factory=list)
    burst_process_cpu: list[float] = field(default_factory=list)
    spread_cpu: list[float] = field(default_factory=list)

    def get_samples(self, name: str) -> Samples:
        """Return the values of one measure."""
        return Samples(tuple(getattr(self, name)))


_marks = count()


def measure_calls(browser: Browser, sink: Sink, clients: list[Client], plan: Plan) -> dict[str, Costs]:
    """Measure each client once a round; every round begins with another one."""
    costs: dict[str, Costs] = defaultdict(Costs)
    for round_number in range(plan.rounds):
        shift = round_number % len(clients)
        for client in clients[shift:] + clients[:shift]:
            _measure_burst(browser, sink, client, plan, costs[client.name])
            _measure_spread(browser, sink, client, plan, costs[client.name])
        print(f"round {round_number + 1} of {plan.rounds}", flush=True)
    return costs


def _open(context: BrowserContext, sink: Sink, client: Client) -> Page:
    page = context.new_page()
    page.goto(sink.get_page_url(client))
    page.evaluate(_READY)
    page.wait_for_timeout(SETTLE_MS)
    return page


def _measure_burst(browser: Browser, sink: Sink, client: Client, plan: Plan, costs: Costs) -> None:
    """All calls in one task."""
    context = browser.new_context()
    page = _open(context, sink, client)
    session = _start_counting(context, page)
    thread, process = _read_seconds(session)
    costs.burst_wall.append(page.evaluate(_BURST, [plan.calls, next(_marks)]))
    page.wait_for_timeout(plan.follow_up_ms)
    thread_after, process_after = _read_seconds(session)
    costs.burst_cpu.append((thread_after - thread) * 1e6 / plan.calls)
    costs.burst_process_cpu.append((process_after - process) * 1e6 / plan.calls)
    context.close()


def _measure_spread(browser: Browser, sink: Sink, client: Client, plan: Plan, costs: Costs) -> None:
    """Each call in a task of its own."""
    context = browser.new_context()
    page = _open(context, sink, client)
    session = _start_counting(context, page)
    thread, _ = _read_seconds(session)
    page.evaluate(_SPREAD, [plan.calls, next(_marks)])
    page.wait_for_timeout(plan.follow_up_ms)
    thread_after, _ = _read_seconds(session)
    costs.spread_cpu.append((thread_after - thread) * 1e6 / plan.calls)
    context.close()


def _start_counting(context: BrowserContext, page: Page) -> CDPSession:
    session = context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    return session


def _read_seconds(session: CDPSession) -> tuple[float, float]:
    """Return the CPU time of the page's main thread, and of its process with the worker's thread."""
    metrics = {
        metric["name"]: metric["value"] for metric in session.send("Performance.getMetrics")["metrics"]
    }
    return metrics["ThreadTime"], metrics["ProcessTime"]


@dataclass(frozen=True)
class Traffic:
    """What the tabs of one browser profile have sent."""

    requests: int
    body_bytes: int
    expected: int
    lost: int
    doubled: int


def measure_traffic(browser: Browser, sink: Sink, clients: list[Client], plan: Plan) -> dict[str, Traffic]:
    """Count what the clients send, some of them side by side: nobody's time is measured here."""
    traffic: dict[str, Traffic] = {}
    for first in range(0, len(clients), SIDE_BY_SIDE):
        profiles = [_Profile(browser, sink, each, plan) for each in clients[first : first + SIDE_BY_SIDE]]
        profiles[0].wait(plan.drain_ms)
        for profile in profiles:
            profile.close_tabs()
        profiles[0].wait(SETTLE_MS + plan.follow_up_ms)
        traffic |= {profile.client.name: profile.count() for profile in profiles}
        for profile in profiles:
            profile.context.close()
    return traffic


class _Profile:
    """A browser profile in which each tab logs events."""

    def __init__(self, browser: Browser, sink: Sink, client: Client, plan: Plan) -> None:
        self.client = client
        self._received = sink.received[client.name]
        self._requests, self._body_bytes = self._received.requests, self._received.body_bytes
        self.context = browser.new_context()
        # It stays when the tabs close, so that the profile does.
        self._blank = self.context.new_page()
        self._tabs = [_open(self.context, sink, client) for _ in range(plan.tabs)]
        self._expected: list[str] = []
        for tab in self._tabs:
            mark = next(_marks)
            tab.evaluate(_BURST, [plan.calls_of_tab, mark])
            self._expected += [f"bench-mark-{mark}-{number}" for number in range(plan.calls_of_tab)]

    def wait(self, milliseconds: float) -> None:
        """Let time pass."""
        self._blank.wait_for_timeout(milliseconds)

    def close_tabs(self) -> None:
        """Close the tabs, one after another."""
        for tab in self._tabs:
            tab.close()

    def count(self) -> Traffic:
        """Return what has arrived."""
        counts = [self._received.events[name] for name in self._expected]
        return Traffic(
            self._received.requests - self._requests,
            self._received.body_bytes - self._body_bytes,
            len(counts),
            sum(1 for each in counts if each == 0),
            sum(each - 1 for each in counts if each > 1),
        )
