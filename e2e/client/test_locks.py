"""Web Locks show who lives: crashed tabs, stolen locks, tabs without locks.

Real crashes and real locks; only the worker's time is virtual.
"""

from __future__ import annotations

import pytest

from e2e.client.app import STEAL_SESSION_LOCKS, App, drain, log, wait_for_state
from e2e.client.page import POST, get_components
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.workers.crash import crash
from pytest_sharedworker.workers.shared_workers import SharedWorkers

pytestmark = pytest.mark.usefixtures("worker_clock")

# Steals the locks of all sessions again and again, as fast as the browser allows, and counts how often the
# client starts to connect meanwhile.
STEAL_FOR = """async (duration) => {
  states.length = 0;
  const end = performance.now() + duration;
  while (performance.now() < end) {
    for (const { name } of (await navigator.locks.query()).held) {
      if (!name.startsWith("telemetry-outbox")) continue;
      await navigator.locks.request(name, { steal: true }, () => {});
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return states.filter((state) => state === "starting").length;
}"""


@pytest.mark.parametrize("times", [1, 2])
def test_stolen_lock_loses_nothing(
    app: App, gateway: Gateway, shared_workers: SharedWorkers, times: int
) -> None:
    page, other = app.open(), app.open()
    expected = []
    for number in range(times):
        page.evaluate(STEAL_SESSION_LOCKS)
        for tab, name in ((page, f"page-{number}"), (other, f"other-{number}")):
            log(tab, name)
            wait_for_state(tab, "worker")
            expected.append(name)
    drain(shared_workers.clock)
    assert get_components(gateway) == sorted(expected)
    assert len(shared_workers.history) == 1


def test_lock_stolen_again_and_again_causes_no_loop(
    app: App, gateway: Gateway, shared_workers: SharedWorkers
) -> None:
    page = app.open()
    log(page, "before")
    starts = page.evaluate(STEAL_FOR, 6_000)
    # Reported when the lock is lost and when the client connects again, which it does every five seconds.
    assert starts <= 6, f"{starts} changes to `starting` in 6 s"
    wait_for_state(page, "worker")
    log(page, "after")
    drain(shared_workers.clock)
    assert get_components(gateway) == ["after", "before"]


@pytest.mark.usefixtures("needs_crash")
def test_last_tab_flushes_after_another_tab_crashed(
    app: App, gateway: Gateway, shared_workers: SharedWorkers
) -> None:
    host, crashed = app.open(), app.open()
    log(crashed, "crashed")
    shared_workers.clock.settle()
    crash(crashed)
    shared_workers.clock.settle()
    assert not gateway.journal.select(POST), "one tab is still visible"
    log(host, "last")
    shared_workers.clock.settle()
    host.goto(app.origin + "/blank.html")
    gateway.journal.wait_for(POST)
    assert get_components(gateway) == ["crashed", "last"]


def test_tab_that_keeps_its_port_joins_the_next_session(
    app: App, gateway: Gateway, shared_workers: SharedWorkers
) -> None:
    keeper, other = app.open_blank(), app.open()
    keeper.evaluate(
        """(name) => new Promise((resolve) => {
            const options = { type: "module", name, extendedLifetime: name.endsWith("extended") };
            self.port = new SharedWorker("/build-1/telemetry.worker.js", options).port;
            self.logEvent = (componentId) => port.postMessage({ type: "LOG_EVENT", payload: {
                installation_id: "1", event_name: "ui_event", timestamp_ns: 1, params: { componentId },
            } });
            port.onmessage = ({ data }) => data.type === "READY" && resolve();
        })""",
        shared_workers.wait_for().name,
    )
    expected = []
    for number in range(3):
        keeper.evaluate("(name) => logEvent(name)", f"before-{number}")
        other.evaluate("() => telemetry.optOut()")
        shared_workers.clock.settle()
        keeper.evaluate("(name) => logEvent(name)", f"between-{number}")
        shared_workers.clock.settle()
        other.evaluate("() => telemetry.optIn()")
        wait_for_state(other, "worker")
        keeper.evaluate("(name) => logEvent(name)", f"after-{number}")
        log(other, f"other-{number}")
        expected += [f"after-{number}", f"other-{number}"]
        shared_workers.clock.run_for(60_000)
    assert get_components(gateway) == sorted(expected)
    # Its opt-out counts for the session that it has joined.
    log(other, "before-the-end")
    shared_workers.clock.settle()
    keeper.evaluate("() => port.postMessage({ type: 'SHUTDOWN' })")
    drain(shared_workers.clock)
    assert get_components(gateway) == sorted(expected)
