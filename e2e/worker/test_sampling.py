"""Sampling: which workers take part in a rollout.

The boundary is tried with a controlled `Math.random`, the whole with many real workers and the real one.
"""

from __future__ import annotations

from collections import Counter

import pytest

from e2e.conformance.accounting import Fate
from e2e.conformance.case import FindingError, Level, case
from e2e.conformance.report.observations import Observations
from e2e.conformance.statistics import compute_acceptance_interval
from e2e.worker.driver.system import Telemetry

PROTOCOL = "wire protocol, sampling"

STATISTICAL_PERCENTAGE = 30.0
FALSE_ALARM_PROBABILITY = 1e-6
"""How often the statistical case would be red for a worker that samples rightly."""


def boundary(
    number: int, name: str, level: Level, percentage: float, random_value: float, *, enabled: bool, why: str
) -> pytest.param:  # type: ignore[valid-type]
    """One percentage and one value of Math.random, and whether the worker takes part."""
    return pytest.param(
        percentage,
        random_value,
        Fate.STORED if enabled else Fate.DROPPED,
        id=name,
        marks=case(
            f"sampling/1/{number}",
            level,
            f"With {percentage} % and Math.random() = {random_value} the worker is"
            f" {'enabled' if enabled else 'disabled'}: {why}.",
            expected="all events stored" if enabled else "no event stored",
            source=PROTOCOL,
        ),
    )


@pytest.mark.parametrize(
    ("percentage", "random_value", "fate"),
    [
        boundary(1, "just-below", Level.MUST, 12.345678, 0.12345677, enabled=True, why="its value is below"),
        boundary(2, "exactly-at", Level.MUST, 12.345678, 0.12345678, enabled=False, why="equal is not below"),
        boundary(3, "zero", Level.MUST, 0, 0.0, enabled=False, why="nothing is below 0"),
        boundary(4, "hundred", Level.MUST, 100, 0.9999999999, enabled=True, why="every value is below 100"),
        boundary(
            5, "above-hundred", Level.SHOULD, 150, 0.9999999999, enabled=True, why="every value is below"
        ),
        boundary(6, "negative", Level.SHOULD, -1, 0.0, enabled=False, why="nothing is below -1"),
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
    "A worker draws one value: all of its events are taken, or none, in all tabs, early and late.",
    expected="all events of the worker, or none",
    source=PROTOCOL,
)
def test_worker_is_sampled_as_a_whole(telemetry: Telemetry, observations: Observations) -> None:
    # Every other draw is on the other side of 50 %: whoever draws per event or per tab gets a mixture.
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


@case(
    "sampling/3/1",
    Level.MUST,
    f"Of many workers, {STATISTICAL_PERCENTAGE:g} % take part where the percentage says so.",
    expected=f"a share that a fair draw gives in all but {FALSE_ALARM_PROBABILITY:g} of runs",
    source=PROTOCOL,
)
def test_share_of_workers_follows_the_percentage(
    telemetry: Telemetry, observations: Observations, request: pytest.FixtureRequest
) -> None:
    samples: int = request.config.getoption("--rollout-samples")
    telemetry.configure(ui_rollout_percentage=STATISTICAL_PERCENTAGE)
    tab = telemetry.open_tab(connect=False)
    for number in range(samples):
        # Workers of distinct names are distinct workers, with a draw each.
        tab.connect(worker_name=f"sample-{number}")
        tab.log(2, fate=Fate.OPTIONAL)
    for _ in range(2):  # One after the other: so many workers take their time.
        telemetry.flush()
    if telemetry.workers.clock_kind == "real":
        telemetry.settle()
    # Workers of one origin may send for each other: a session is what tells them apart.
    events_by_session = Counter(record.session_id for record in telemetry.stored_records)
    taking_part = len(events_by_session)
    least, most = compute_acceptance_interval(samples, STATISTICAL_PERCENTAGE / 100, FALSE_ALARM_PROBABILITY)
    said = f"{taking_part} of {samples} workers"
    if not least <= taking_part <= most:
        raise FindingError(f"{least} to {most} of {samples} workers", said)
    observations(f"{said} (a fair draw gives {least} to {most})")
    halves = [count for count in events_by_session.values() if count != 2]
    if halves:
        raise FindingError("both events of a worker, or none", f"sessions of {halves} events")
    telemetry.account()
