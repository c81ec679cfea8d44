"""Sampling: which workers take part in a rollout.

The cases test the boundary with a controlled `Math.random`, and the share with many workers and the real one.
"""

from __future__ import annotations

import time
from collections import Counter

import pytest

from e2e.conformance.accounting import Fate
from e2e.conformance.case import FindingError, Level, case
from e2e.conformance.report.observations import Observations
from e2e.conformance.statistics import compute_acceptance_interval
from e2e.worker.driver.system import Telemetry
from e2e.worker.driver.tab import Tab

PROTOCOL = "wire protocol, sampling"

STATISTICAL_PERCENTAGE = 30.0
STARTS_AT_ONCE = 5
"""So many workers start side by side, which takes Chromium half the time of one after the other."""
START_SECONDS = 45
MIN_SAMPLES = 60
"""A browser that is slow to start workers, such as WebKit, starts fewer of them, but so many."""
FALSE_ALARM_PROBABILITY = 1e-6
"""The probability that the statistical case fails for a worker that samples correctly."""


def make_boundary(
    number: int, name: str, level: Level, percentage: float, random_value: float, *, enabled: bool, why: str
) -> pytest.param:  # type: ignore[valid-type]
    """Return the parameter of one case: a percentage, a value of Math.random, and the required fate."""
    return pytest.param(
        percentage,
        random_value,
        Fate.STORED if enabled else Fate.FORBIDDEN,
        id=name,
        marks=case(
            f"sampling/1/{number}",
            level,
            f"A worker is {'enabled' if enabled else 'disabled'} at {percentage} %"
            f" if Math.random() is {random_value}: {why}.",
            expected="all events stored" if enabled else "no event stored",
            source=PROTOCOL,
        ),
    )


@pytest.mark.parametrize(
    ("percentage", "random_value", "fate"),
    [
        make_boundary(
            1, "just-below", Level.MUST, 12.345678, 0.12345677, enabled=True, why="its value is below"
        ),
        make_boundary(
            2, "exactly-at", Level.MUST, 12.345678, 0.12345678, enabled=False, why="equal is not below"
        ),
        make_boundary(3, "zero", Level.MUST, 0, 0.0, enabled=False, why="nothing is below 0"),
        make_boundary(
            4, "hundred", Level.MUST, 100, 0.9999999999, enabled=True, why="every value is below 100"
        ),
        make_boundary(
            5, "above-hundred", Level.SHOULD, 150, 0.9999999999, enabled=True, why="every value is below"
        ),
        make_boundary(6, "negative", Level.SHOULD, -1, 0.0, enabled=False, why="nothing is below -1"),
    ],
)
def test_worker_takes_part_below_the_percentage(
    telemetry: Telemetry, percentage: float, random_value: float, fate: Fate
) -> None:
    telemetry.workers.add_init_script(f"Math.random = () => {random_value};")
    telemetry.configure(ui_rollout_percentage=percentage)
    for tab in telemetry.open_tabs(2):
        tab.log(2, fate=fate)
    telemetry.flush(2)
    telemetry.account()


@case(
    "sampling/2/1",
    Level.MUST,
    "A worker draws one value: it sends all of its events or none, in all tabs, early and late.",
    expected="all events of the worker, or none",
    source=PROTOCOL,
)
def test_worker_is_sampled_as_a_whole(telemetry: Telemetry, observations: Observations) -> None:
    # Every other draw is on the other side of 50 %: a worker that draws per event or per tab gets a mixture.
    telemetry.workers.add_init_script("let draws = 0; Math.random = () => (draws++ % 2 ? 0.9 : 0.1);")
    telemetry.configure(ui_rollout_percentage=50)
    for tab in telemetry.open_tabs(3):
        tab.log(4, fate=Fate.OPTIONAL)
        telemetry.settle()
    telemetry.flush()
    for tab in telemetry.tabs:
        tab.log(4, fate=Fate.OPTIONAL)
    telemetry.flush(2)
    stored, logged = len(telemetry.stored), len(telemetry.events)
    if stored not in (0, logged):
        raise FindingError(f"all {logged} events or none", f"{stored} of {logged} stored")
    observations(f"{stored} of {logged} events")
    telemetry.account()


def start_samples(tab: Tab, samples: int) -> int:
    """Start workers that log two events each, `samples` of them or fewer; return how many.

    How many depends on the time that they take, not on what they draw, so that the share stays that of a
    fair draw.
    """
    deadline = time.monotonic() + START_SECONDS
    started = 0
    while started < samples and (started < MIN_SAMPLES or time.monotonic() < deadline):
        # Each worker name starts another worker, which draws its own value.
        names = [f"sample-{number}" for number in range(started, min(started + STARTS_AT_ONCE, samples))]
        tab.connect_all(names)
        for index in range(len(names)):
            tab.use_worker(index)
            tab.log(2, fate=Fate.OPTIONAL)
        started += len(names)
    return started


@case(
    "sampling/3/1",
    Level.MUST,
    f"Of many workers, {STATISTICAL_PERCENTAGE:g} % take part if ui_rollout_percentage is that value.",
    expected=f"a share that a fair draw gives in all but {FALSE_ALARM_PROBABILITY:g} of the runs",
    source=PROTOCOL,
)
def test_share_of_workers_follows_the_percentage(
    telemetry: Telemetry, observations: Observations, request: pytest.FixtureRequest
) -> None:
    samples: int = request.config.getoption("--rollout-samples")
    telemetry.configure(ui_rollout_percentage=STATISTICAL_PERCENTAGE)
    tab = telemetry.open_tab(connect=False)
    samples = start_samples(tab, samples)
    for _ in range(2):  # In two steps: so many workers are slow.
        telemetry.flush()
    if telemetry.workers.clock.kind == "real":
        telemetry.settle()
    # Workers of one origin may send for each other; only the session identifies a worker.
    events_by_session = Counter(record.session_id for record in telemetry.stored_records)
    participants = len(events_by_session)
    least, most = compute_acceptance_interval(samples, STATISTICAL_PERCENTAGE / 100, FALSE_ALARM_PROBABILITY)
    seen = f"{participants} of {samples} workers"
    if not least <= participants <= most:
        raise FindingError(f"{least} to {most} of {samples} workers", seen)
    observations(f"{seen} (a fair draw gives {least} to {most})")
    incomplete = [count for count in events_by_session.values() if count != 2]
    if incomplete:
        raise FindingError("both events of a worker, or none", f"sessions with {incomplete} events")
    telemetry.account()
