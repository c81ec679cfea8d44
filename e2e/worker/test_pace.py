"""Pace: no response, and no series of messages, makes a worker send in a storm.

`test_retry_pace.py` covers how long a worker waits after a failure. Here each response meets a worker in many
states within one hour: with a backlog of several batches, with a tab that reports its visibility every
second, with a network that comes back every second, and idle.
"""

from __future__ import annotations

import pytest

from e2e.conformance.accounting import Fate
from e2e.conformance.case import FindingError, Level, case
from e2e.conformance.report.observations import Observations
from e2e.worker.driver.requests import advance_until_posted
from e2e.worker.driver.retry import drain, expect_all_stored_in_order, require_virtual_time
from e2e.worker.driver.storm_guard import Respond, StormGuard, hang
from e2e.worker.driver.system import Telemetry
from e2e.worker.driver.tab import Tab
from e2e.worker.driver.waiting import HOUR_MS, are_all_stored
from pytest_sharedworker import HttpStatus, Route

ONE_PER_INTERVAL = "wire protocol, flush: one POST per interval"
SERVER_LOAD = "data safety: clients do not keep a failing or rejecting server busy"
MAX_POSTS_PER_INTERVAL = 2
"""A worker may send more than one POST in an interval: for a backlog, or when the last tab is hidden."""
MAX_GETS_PER_HOUR = 120
HANGING_SHARE = 3
"""How much smaller the limits are without a response: each request of a worker takes its timeout."""
BACKLOG = 1_200
"""More than two batches of a worker that sends 500 records at once."""
PHASES = 4
PHASE_MS = HOUR_MS / PHASES
FLAPS_MS = PHASE_MS / 3
"""For how long something happens every second; each second costs a turn of every clock."""
STEPS = 10
"""How many events are logged in a phase, one after the other."""
FAILURES = 3
RECOVERY_MS = 60_000
RETRY_AFTER_SECONDS = 600

EVERY_SECOND = """([ms, script]) => {
    const step = new Function("number", script);
    let number = 0;
    const timer = setInterval(() => {
        step(number++);
        if (number === Math.floor(ms / 1000)) clearInterval(timer);
    }, 1000);
}"""


def fulfill(status: int, body: str = "", **headers: str) -> Respond:
    """Return a response to every request; `headers` are written with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda route: route.fulfill(
        status=status, body=body, headers={"Content-Type": "application/json", **named}
    )


def redirect_to_login(route: Route) -> None:
    """Redirect to a page that is not JSON, as a login proxy does."""
    route.fulfill(status=302, headers={"Location": "/login"})


RESPONSES: dict[str, tuple[str, Respond]] = {
    "accepted": ("is accepted", lambda route: route.fallback()),
    "empty-object": ("gets a 200 {}", fulfill(200, "{}")),
    "list": ("gets a 200 []", fulfill(200, "[]")),
    "not-json": ("gets a 200 that is not JSON", fulfill(200, "<html>welcome</html>")),
    "error": ('gets a 200 {"status": "error"}', fulfill(200, '{"status": "error"}')),
    "202": ("gets a 202 without a body", fulfill(202)),
    "204": ("gets a 204", fulfill(204)),
    "short": ("is accepted in part", fulfill(200, '{"status": "success", "accepted": 1}')),
    "disabled": ("gets the response disabled", fulfill(200, '{"status": "disabled"}')),
    "redirect": ("is redirected to a login page", redirect_to_login),
    "400": ("gets a 400", fulfill(400, '{"error": "body_not_json"}')),
    "401": ("gets a 401", fulfill(401)),
    "404": ("gets a 404", fulfill(404)),
    "408": ("gets a 408", fulfill(408)),
    "413": ("gets a 413, however small it is,", fulfill(413)),
    "429-now": ("gets a 429 with Retry-After: 0", fulfill(429, Retry_After="0")),
    "500": ("gets a 500", fulfill(500)),
    "503-past": (
        "gets a 503 with a Retry-After in the past",
        fulfill(503, Retry_After="Thu, 01 Jan 1970 00:00:00 GMT"),
    ),
    "reset": ("is cut off by a reset", lambda route: route.abort("connectionreset")),
    "closed": ("is cut off", lambda route: route.abort("connectionclosed")),
    "hang": ("gets no response", hang),
}
"""By a short name: what happens to every POST, and how. The order gives the cases' numbers."""


@pytest.mark.virtual_tabs
@pytest.mark.parametrize(
    "respond",
    [
        pytest.param(
            respond,
            id=name,
            marks=case(
                f"pace/1/{number}",
                # A worker that sends in every interval, without waiting for a response, is in no storm.
                Level.SHOULD if respond is hang else Level.MUST,
                f"A worker whose every POST {words} sends few requests, in whatever state it is.",
                expected=f"in an hour at most {MAX_POSTS_PER_INTERVAL} POST per interval, and few in a row",
                source=ONE_PER_INTERVAL,
            ),
        )
        for number, (name, (words, respond)) in enumerate(RESPONSES.items(), start=1)
    ],
)
def test_no_response_starts_a_storm(
    telemetry: Telemetry, observations: Observations, respond: Respond
) -> None:
    require_virtual_time(telemetry)
    limit = int(MAX_POSTS_PER_INTERVAL * HOUR_MS / telemetry.flush_interval)
    if respond is hang:
        limit //= HANGING_SHARE
    serve_login(telemetry)
    tab = telemetry.open_tab()
    telemetry.settle()
    guard = StormGuard(telemetry, telemetry.posts_pattern, respond, limit)
    with guard.judge_clock_errors("POST"):
        tab.log(BACKLOG, fate=Fate.OPTIONAL)
        log_for_a_phase(telemetry, tab, guard)
        report_visibility_every_second(telemetry, tab)
        log_for_a_phase(telemetry, tab, guard)
        come_online_every_second(telemetry)
        log_for_a_phase(telemetry, tab, guard)
        telemetry.run_for(PHASE_MS)
    observations(f"{guard.expect_no_storm('POST')} POST in an hour")
    telemetry.account()


CONFIG_RESPONSES: dict[str, tuple[str, Respond]] = {
    "503": ("gets a 503", fulfill(503)),
    "429-now": ("gets a 429 with Retry-After: 0", fulfill(429, Retry_After="0")),
    "not-json": ("is not JSON", fulfill(200, "<html>welcome</html>")),
    "empty-object": ("is an empty object", fulfill(200, "{}")),
    "404": ("is not found (404)", fulfill(404)),
    "redirect": ("is redirected to a login page", redirect_to_login),
    "reset": ("is cut off by a reset", lambda route: route.abort("connectionreset")),
    "hang": ("gets no response", hang),
}
"""By a short name: what happens to every request for the configuration, and how."""


@pytest.mark.parametrize(
    "respond",
    [
        pytest.param(
            respond,
            id=name,
            marks=case(
                f"pace/2/{number}",
                Level.SHOULD,
                f"A worker whose configuration {words} requests it rarely, also if its network flaps.",
                expected=f"in an hour at most {MAX_GETS_PER_HOUR} GET, and few in a row",
                source=SERVER_LOAD,
            ),
        )
        for number, (name, (words, respond)) in enumerate(CONFIG_RESPONSES.items(), start=1)
    ],
)
def test_no_config_starts_a_storm(telemetry: Telemetry, observations: Observations, respond: Respond) -> None:
    require_virtual_time(telemetry)
    serve_login(telemetry)
    limit = MAX_GETS_PER_HOUR // HANGING_SHARE if respond is hang else MAX_GETS_PER_HOUR
    guard = StormGuard(telemetry, telemetry.config_pattern, respond, limit)
    with guard.judge_clock_errors("GET"):
        tab = telemetry.open_tab()
        log_for_a_phase(telemetry, tab, guard, what="GET")
        come_online_every_second(telemetry)
        log_for_a_phase(telemetry, tab, guard, what="GET")
        telemetry.run_for((PHASES - 2) * PHASE_MS)
    observations(f"{guard.expect_no_storm('GET')} GET in an hour")
    telemetry.account()


@case(
    "pace/3/1",
    Level.SHOULD,
    f"A batch whose first {FAILURES} POSTs get a 503 is stored within a minute: a retry does not wait for the"
    " next flush.",
    expected=f"stored within {RECOVERY_MS // 1000} s of the first POST",
    source="data safety: the longer a record waits, the more often its browser is closed meanwhile",
)
def test_passing_failure_is_retried_soon(telemetry: Telemetry, observations: Observations) -> None:
    require_virtual_time(telemetry)
    telemetry.break_posts(HttpStatus(503), times=FAILURES)
    tab = telemetry.open_tab()
    tab.log(2)
    advance_until_posted(telemetry)
    telemetry.run_for(RECOVERY_MS)
    times = [(batch.exchange.virtual_time or 0.0) / 1000 for batch in telemetry.batches]
    observations(f"POST at {', '.join(f'{time:.1f}' for time in times)} s")
    if not are_all_stored(telemetry):
        raise FindingError(
            f"stored {RECOVERY_MS // 1000} s after the first POST", f"not stored after {len(times)} POST"
        )
    telemetry.account()


@pytest.mark.virtual_tabs
@case(
    "pace/3/2",
    Level.SHOULD,
    "A worker waits for Retry-After also if its network comes and goes, and its tab is hidden meanwhile.",
    expected="no second POST before Retry-After",
    source="RFC 9110, 10.2.3: Retry-After",
)
def test_retry_after_outlasts_a_network_that_comes_back(telemetry: Telemetry) -> None:
    require_virtual_time(telemetry)
    telemetry.break_posts(HttpStatus(503, headers={"Retry-After": str(RETRY_AFTER_SECONDS)}), times=1)
    tab = telemetry.open_tab()
    tab.log(2)
    advance_until_posted(telemetry)
    telemetry.expect_batches(1, "that gets a 503")
    come_online_every_second(telemetry, RETRY_AFTER_SECONDS * 1000)
    report_visibility_every_second(telemetry, tab, RETRY_AFTER_SECONDS * 1000)
    telemetry.run_for(RETRY_AFTER_SECONDS * 1000 - telemetry.flush_interval)
    telemetry.expect_batches(1, f"within a Retry-After of {RETRY_AFTER_SECONDS} s")
    expect_all_stored_in_order(telemetry)


@case(
    "pace/3/3",
    Level.SHOULD,
    "A worker whose POST failed in a long outage sends its events soon after its network has come back.",
    expected="stored within a minute",
    source="data safety: the longer a record waits, the more often its browser is closed meanwhile",
)
def test_network_that_comes_back_ends_the_wait(telemetry: Telemetry) -> None:
    require_virtual_time(telemetry)
    tab = telemetry.open_tab()
    telemetry.settle()
    with telemetry.workers.wait_for().offline():
        tab.log(2)
        telemetry.run_for(6 * HOUR_MS)
    telemetry.run_for(RECOVERY_MS)
    if not are_all_stored(telemetry):
        raise FindingError(f"stored {RECOVERY_MS // 1000} s after the network came back", "not stored")
    drain(telemetry)
    telemetry.account()


def serve_login(telemetry: Telemetry) -> None:
    """Serve the page to which a login proxy redirects."""
    telemetry.gateway.serve("/login", "<html>please log in</html>", content_type="text/html")


def log_for_a_phase(telemetry: Telemetry, tab: Tab, guard: StormGuard, what: str = "POST") -> None:
    """Run for a phase, and log an event from time to time. Raise FindingError if requests do not end."""
    for _ in range(STEPS):
        tab.log(fate=Fate.OPTIONAL)
        telemetry.run_for(PHASE_MS / STEPS)
        guard.expect_few(what)  # Not at the end: a storm takes long.
    guard.expect_no_storm(what)


def report_visibility_every_second(telemetry: Telemetry, tab: Tab, ms: float = FLAPS_MS) -> None:
    """Let the tab report for a while that it is hidden, shown, hidden …"""
    message_type = telemetry.implementation.protocol.visibility
    script = f"window.port.postMessage({{ type: {message_type!r}, hidden: number % 2 === 0 }})"
    tab.page.evaluate(EVERY_SECOND, [ms, script])


def come_online_every_second(telemetry: Telemetry, ms: float = FLAPS_MS) -> None:
    """Let the worker see for a while that its network is back."""
    telemetry.workers.wait_for().evaluate(EVERY_SECOND, [ms, "self.dispatchEvent(new Event('online'))"])
