"""When requests may leave, and what a response means, without a browser: Node.js runs the worker's modules.

The timers are a list, and the time is a variable, so that every step is exact.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

import pytest

from unit.support.wheel import CHECKOUT

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")

MINUTE_MS = 60_000
RUNS = 200

# Time and timers of a script. `opened` has the time of every end of a pause.
CLOCK = """
let now = 0;
let timers = [];
let lastId = 0;
const opened = [];
globalThis.performance = { now: () => now };
globalThis.setTimeout = (call, ms) => {
  const timer = { at: now + Math.max(0, ms), call, id: ++lastId };
  timers.push(timer);
  return timer.id;
};
globalThis.clearTimeout = (id) => { timers = timers.filter((each) => each.id !== id); };
const runUntil = (end) => {
  for (;;) {
    timers.sort((one, other) => one.at - other.at);
    if (!timers.length || timers[0].at > end) break;
    const timer = timers.shift();
    now = timer.at;
    timer.call();
  }
  now = end;
};
const { createPace } = await import("./worker/pace.js");
const pace = createPace(() => opened.push(now));
"""

# Responds to a POST of four records; the outcomes have the names of the module's constants.
POST = """
const outcomes = await import("./worker/post-batch.js");
const nameOf = (value) => Object.keys(outcomes).find((name) => outcomes[name] === value);
const results = [];
for (const [status, body, headers] of INPUT) {
  globalThis.fetch = async () => new Response(body, { status, headers });
  const options = { gzip: false, keepalive: false, signal: new AbortController().signal };
  const [outcome, retryAfterMs] = await outcomes.postBatch("http://t/", "{}", 4, options);
  results.push([nameOf(outcome), retryAfterMs]);
}
console.log(JSON.stringify(results));
"""


def run_script(script: str) -> Any:
    """Run a module in Node.js and return the JSON that it prints."""
    command = ["node", "--input-type=module", "--eval", script]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def run_pace(steps: str) -> Any:
    """Run steps on a new pace and return what they print."""
    return run_script(CLOCK + steps)


def read_outcomes(responses: list[list[Any]]) -> list[list[Any]]:
    """Return outcome and Retry-After in milliseconds for each `[status, body, headers]`."""
    result: list[list[Any]] = run_script(POST.replace("INPUT", json.dumps(responses)))
    return result


def test_second_request_waits_for_the_first_and_its_pause() -> None:
    began = run_pace(
        """
        const began = [pace.begin(), pace.begin()];
        runUntil(5_000);
        began.push(pace.begin());
        pace.end(100);
        began.push(pace.begin());
        runUntil(5_099);
        began.push(pace.begin());
        runUntil(5_100);
        began.push(pace.begin());
        console.log(JSON.stringify({ began, opened }));
        """
    )
    assert began == {"began": [True, False, False, False, False, True], "opened": [5_100]}


def test_pause_doubles_with_every_failure_up_to_its_bound() -> None:
    waits = run_pace(
        f"""
        const waits = [];
        for (let run = 0; run < {RUNS}; run++) {{
          const waitsOfRun = [];
          for (let failures = 0; failures < 12; failures++) {{
            const start = now;
            pace.begin();
            pace.fail(0);
            runUntil(now + 1e9);
            waitsOfRun.push(opened.pop() - start);
          }}
          pace.begin();
          pace.end(0);
          runUntil(now);
          waits.push(waitsOfRun);
        }}
        console.log(JSON.stringify(waits));
        """
    )
    for failures, seen in enumerate(zip(*waits, strict=True)):
        bound = min(5_000 * 2**failures, 15 * MINUTE_MS)
        assert min(seen) >= 1_000
        assert max(seen) <= bound
        assert max(seen) > 0.8 * bound, f"after {failures + 1} failures the waits do not reach {bound} ms"
        assert min(seen) < 0.2 * bound + 1_000, "the waits are not spread"


def test_retry_after_is_a_lower_bound_and_spread() -> None:
    waits = run_pace(
        f"""
        const waits = [];
        for (let run = 0; run < {RUNS}; run++) {{
          const start = now;
          pace.begin();
          pace.fail(600_000);
          runUntil(now + 1e9);
          waits.push(opened.pop() - start);
          pace.begin();
          pace.end(0);
          runUntil(now);
        }}
        console.log(JSON.stringify(waits));
        """
    )
    assert min(waits) >= 600_000
    assert max(waits) <= 660_000
    assert max(waits) - min(waits) > 30_000


def test_online_shortens_a_backoff_to_a_flush_interval() -> None:
    opened = run_pace(
        """
        for (let failures = 0; failures < 9; failures++) { pace.begin(); pace.fail(0); runUntil(now + 1e7); }
        Math.random = () => 1;
        opened.length = 0;
        const start = now;
        pace.begin();
        pace.fail(0);
        runUntil(start + 12_000);
        for (let number = 0; number < 100; number++) pace.hurry();
        runUntil(start + 60_000);
        console.log(JSON.stringify(opened.map((at) => at - start)));
        """
    )
    assert opened == [30_000]


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ("pace.begin(); pace.fail(3_600_000);", "a Retry-After"),
        ("pace.begin();", "a 403"),
        ("pace.begin(); pace.fail(0); runUntil(9_000); pace.begin();", "a request that is under way"),
        ("pace.begin(); pace.end(10_800_000);", "a pause after a success"),
    ],
)
def test_online_does_not_end(steps: str, why: str) -> None:
    began = run_pace(
        f"""
        {steps}
        pace.hurry();
        runUntil(now + 3_000_000);
        console.log(JSON.stringify(pace.begin()));
        """
    )
    assert began is False, f"online ended {why}"


def test_only_an_explicit_success_is_accepted() -> None:
    bodies: dict[str, str] = {
        '{"status": "success"}': "ACCEPTED",
        '{"status": "success", "accepted": 4}': "ACCEPTED",
        '{"status": "success", "accepted": 1, "duplicates": 2, "rejected": 1}': "ACCEPTED",
        '{"status": "success", "accepted": 2, "rejected": [{}, {}]}': "ACCEPTED",
        '{"status": "success", "rejected": [{}, {}, {}, {}]}': "ACCEPTED",
        '{"status": "success", "accepted": 4, "duplicates": 3}': "ACCEPTED",
        '{"status": "success", "accepted": 1, "rejected": [{}], "rejected_unlisted": 2}': "ACCEPTED",
        '{"status": "success", "accepted": 1, "rejected": [{}]}': "FAILED",
        '{"status": "success", "accepted": 3, "duplicates": 3}': "FAILED",
        '{"status": "success", "accepted": 3}': "FAILED",
        '{"status": "success", "accepted": 5}': "FAILED",
        '{"status": "success", "accepted": 0, "duplicates": 0, "rejected": []}': "FAILED",
        '{"status": "success", "accepted": "4"}': "FAILED",
        '{"status": "success", "accepted": null}': "FAILED",
        '{"status": "success", "accepted": [4]}': "FAILED",
        '{"status": "success", "accepted": 4, "rejected": {}}': "FAILED",
        '{"status": "SUCCESS"}': "FAILED",
        '{"status": ["success"]}': "FAILED",
        '{"status": "ok"}': "FAILED",
        '{"accepted": 4}': "FAILED",
        "{}": "FAILED",
        "[]": "FAILED",
        '["success"]': "FAILED",
        '"success"': "FAILED",
        "null": "FAILED",
        "true": "FAILED",
        "0": "FAILED",
        "": "FAILED",
        "{": "FAILED",
        '{"status": "disabled"}': "DISABLED",
    }
    outcomes = read_outcomes([[200, body, {}] for body in bodies])
    assert dict(zip(bodies, [outcome for outcome, _ in outcomes], strict=True)) == bodies


def test_status_decides_about_other_responses() -> None:
    statuses = {
        201: "ACCEPTED", 202: "ACCEPTED", 400: "REJECTED", 401: "FORBIDDEN", 403: "FORBIDDEN",
        404: "FORBIDDEN", 405: "FAILED", 408: "FAILED", 413: "TOO_LARGE", 415: "REJECTED", 418: "FAILED",
        422: "REJECTED", 429: "FAILED", 500: "FAILED", 503: "FAILED",
    }  # fmt: skip
    outcomes = read_outcomes([[status, '{"status": "success"}', {}] for status in statuses])
    assert dict(zip(statuses, [outcome for outcome, _ in outcomes], strict=True)) == statuses
    disabled = read_outcomes([[status, '{"status": "disabled"}', {}] for status in (400, 404, 500, 503)])
    assert "DISABLED" not in [outcome for outcome, _ in disabled]
    assert read_outcomes([[204, None, {}], [304, None, {}]]) == [["FAILED", 0], ["FAILED", 0]]


@pytest.mark.parametrize(
    ("value", "expected_ms"),
    [
        ("120", 120_000),
        ("0", 0),
        ("-5", 0),
        ("soon", 0),
        ("", 0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 24 * 60 * MINUTE_MS),
        ("1e12", 24 * 60 * MINUTE_MS),
        ("Infinity", 24 * 60 * MINUTE_MS),
    ],
)
def test_retry_after_is_read_and_capped(value: str, expected_ms: int) -> None:
    assert read_outcomes([[503, "", {"Retry-After": value}]]) == [["FAILED", expected_ms]]


def test_workers_do_not_come_back_at_once() -> None:
    command = ["node", "bench/retries.mjs", "2000", "30"]
    report = subprocess.run(
        command, cwd=CHECKOUT, capture_output=True, text=True, timeout=120, check=True
    ).stdout
    line = next(line for line in report.splitlines() if line.startswith("until all have delivered"))
    most_a_second = int(line.removeprefix("until all have delivered").split()[0])
    assert most_a_second < 2000 / 60, report
