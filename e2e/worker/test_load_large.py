"""Load: one event that is much larger than the others."""

from __future__ import annotations

from e2e.conformance.accounting import Fate
from e2e.conformance.case import FindingError, Level, case
from e2e.conformance.report.observations import Observations
from e2e.worker.driver.environments import limit_bodies
from e2e.worker.driver.payloads import get_sent_records
from e2e.worker.driver.retry import drain
from e2e.worker.driver.system import Telemetry
from e2e.worker.driver.waiting import MAX_REFUSALS, advance_until, are_all_stored, count_responses

MEBIBYTE = 1 << 20
WARNINGS = ("warning", "error")


@case(
    "load/3/1",
    Level.SHOULD,
    "An event that is too large for a proxy does not block the small events logged around it.",
    expected="all small events stored once",
    source="data safety: a batch that is rejected for its size (413) is split",
)
def test_large_event_does_not_block_small_ones(telemetry: Telemetry, observations: Observations) -> None:
    limit_bodies(telemetry, MEBIBYTE)
    tab = telemetry.open_tab()
    small = tab.log(2)
    tab.log(component="x" * MEBIBYTE, fate=Fate.OPTIONAL)
    small += tab.log(2)

    def is_finished() -> bool:
        return are_all_stored(telemetry, small) or count_responses(telemetry, 413) >= MAX_REFUSALS

    advance_until(telemetry, is_finished)
    observations(f"{count_responses(telemetry, 413)} POST rejected with 413")
    telemetry.account()


@case(
    "load/3/3",
    Level.MUST,
    "A worker sends an event of 1 MiB complete, or drops it with a console warning, and loses no other.",
    expected="all others stored once; the large one complete, or a warning",
    source="wire protocol, record: the payload with the session; data safety: no event is lost"
    " without a warning",
)
def test_large_event_is_sent_or_dropped_with_a_warning(
    telemetry: Telemetry, observations: Observations
) -> None:
    component = "x" * MEBIBYTE
    tab = telemetry.open_tab()
    tab.log(2)
    [large] = tab.log(component=component, fate=Fate.OPTIONAL)
    tab.log(2)
    drain(telemetry)
    if large.key in telemetry.stored:
        expect_complete(telemetry, component)
        observations("sent complete")
    else:
        lines = telemetry.workers.wait_for().console_messages()
        warning = next((line.text for line in lines if line.type in WARNINGS), None)
        if warning is None:
            raise FindingError("the event stored, or a warning on the console", "neither")
        observations(f"dropped: {warning:.80}")
    telemetry.account()


def expect_complete(telemetry: Telemetry, component: str) -> None:
    """Require a record with exactly this component id. Raise FindingError."""
    longest = max((len(record["params"]["componentId"]) for record in get_sent_records(telemetry)), default=0)
    if not any(record["params"]["componentId"] == component for record in get_sent_records(telemetry)):
        raise FindingError(f"a componentId of {len(component):,} characters", f"one of {longest:,}")
