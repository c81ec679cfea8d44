"""Turn the outcome of a test phase (setup, call, teardown) into a verdict.

| what happened | verdict |
|---|---|
| the call passed | ok |
| the call raised an AssertionError (such as a FindingError), level MUST | failed |
| the call raised an AssertionError, level SHOULD or MAY | non-strict |
| the test was skipped | unimplemented |
| a phase raised InconclusiveError: the case did not exercise its subject | inconclusive |
| setup or teardown failed | failed |
| the call raised another exception | failed |

The last two say nothing about the requirement: such results are marked as `aborted`. Only a teardown that
raises an AssertionError, such as an accounting that does not balance, is judged like a call.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import pytest

from e2e.conformance.case import Case, FindingError, InconclusiveError, Level, Verdict
from e2e.conformance.report.sanitize import MAX_DETAILS_CHARACTERS, clean, take_first_lines
from e2e.conformance.report.timeline import Timeline

AS_EXPECTED = "as expected"
NO_IMPLEMENTATION = "none"
"""Column of a case that takes no implementation."""
SETUP_FAILED = "the setup of the case failed"
CALL_FAILED = "the case raised an unexpected error"
TEARDOWN_FAILED = "the teardown of the case failed"
STALE_ADVICE = "the case passes now, remove it from known_deviations"

_XPASS = "[XPASS(strict)] "


@dataclass(frozen=True)
class CaseResult:
    """The result of a case on an implementation; all text is clean (see `sanitize`).

    `verdict` is None while only the setup is over. `stale_deviation`: a known deviation did not occur.
    `aborted`: the case did not run to its end, so that the verdict says nothing about the requirement.
    """

    implementation: str
    id: str
    level: Level
    requirement: str
    expected: str
    source: str
    verdict: Verdict | None = None
    actual: str = AS_EXPECTED
    seconds: float = 0.0
    known_deviation: str | None = None
    stale_deviation: bool = False
    aborted: bool = False
    details: str | None = None
    timeline: Timeline | None = None

    @property
    def fails_run(self) -> bool:
        """Whether a run with this verdict is not successful: failed, or a MUST that is inconclusive."""
        is_undecided = self.verdict is Verdict.INCONCLUSIVE and self.level is Level.MUST
        return self.verdict is Verdict.FAILED or is_undecided

    def to_wire(self) -> dict[str, Any]:
        """Return the result as plain values, which can be sent to another process."""
        return {
            **{field.name: getattr(self, field.name) for field in fields(self)},
            "level": self.level.value,
            "verdict": self.verdict and self.verdict.value,
            "timeline": self.timeline and self.timeline.to_wire(),
        }

    @classmethod
    def from_wire(cls, values: dict[str, Any]) -> CaseResult:
        """Return the result of the values of `to_wire`."""
        known = {field.name: values[field.name] for field in fields(cls)}
        known["level"] = Level(values["level"])
        known["verdict"] = values["verdict"] and Verdict(values["verdict"])
        known["timeline"] = values["timeline"] and Timeline.from_wire(values["timeline"])
        return cls(**known)

    def get_worse(self, other: CaseResult) -> CaseResult:
        """Return the worse of two results, this one if equal. A stale deviation of either is kept."""
        stale = self.stale_deviation or other.stale_deviation
        severity = -1 if self.verdict is None else self.verdict.severity
        other_severity = -1 if other.verdict is None else other.verdict.severity
        return replace(self if severity >= other_severity else other, stale_deviation=stale)

    def add_phase(self, later: CaseResult) -> CaseResult:
        """Return the result of two phases: the worse verdict, the time of both, the later details."""
        # A teardown repeats the observations of the call, which then has a traceback too.
        is_repeated = later.details is not None and self.details is not None and later.details in self.details
        return replace(
            self.get_worse(later),
            seconds=self.seconds + later.seconds,
            details=self.details if is_repeated else later.details or self.details,
            timeline=later.timeline or self.timeline,
        )


def judge(
    case: Case,
    implementation: str,
    report: pytest.TestReport,
    error: BaseException | None,
    *,
    observations: str | None,
    details: str | None,
    timeline: Timeline | None = None,
) -> CaseResult:
    """Return the result of one phase. `error` is what it raised; the case itself provides the rest."""
    start = CaseResult(
        implementation=clean(implementation),
        id=case.id,
        level=case.level,
        requirement=clean(case.requirement),
        expected=clean(case.expected),
        source=clean(case.source),
        actual=clean(observations or AS_EXPECTED),
        seconds=report.duration,
        details=clean(details, MAX_DETAILS_CHARACTERS) if details else None,
        timeline=timeline,
    )
    if isinstance(error, pytest.skip.Exception):
        return replace(start, verdict=Verdict.UNIMPLEMENTED, actual=clean(str(error) or "skipped"))
    if isinstance(error, InconclusiveError):
        return replace(start, verdict=Verdict.INCONCLUSIVE, actual=clean(str(error)))
    if error is None:
        if report.when != "call":
            return start
        stale = _get_stale_reason(report)
        return replace(start, verdict=Verdict.OK, known_deviation=stale, stale_deviation=stale is not None)
    if report.when == "setup":
        return _judge_aborted(start, SETUP_FAILED, report, error)
    if not isinstance(error, AssertionError):
        what = CALL_FAILED if report.when == "call" else TEARDOWN_FAILED
        return _judge_aborted(start, what, report, error)
    return _judge_assertion(start, report, error)


def _judge_assertion(start: CaseResult, report: pytest.TestReport, error: AssertionError) -> CaseResult:
    verdict = Verdict.FAILED if start.level is Level.MUST else Verdict.NON_STRICT
    # pytest stores the reason of an expected failure in the report, but does not declare the attribute.
    reason: str | None = getattr(report, "wasxfail", None)
    result = replace(start, verdict=verdict, known_deviation=clean(reason) if reason else None)
    if isinstance(error, FindingError):
        return replace(result, expected=clean(error.expected), actual=clean(error.actual))
    actual = clean(take_first_lines(_describe_error(error)))
    return replace(result, actual=actual, details=_add_traceback(start, report))


def _judge_aborted(
    start: CaseResult, what: str, report: pytest.TestReport, error: BaseException
) -> CaseResult:
    actual = clean(f"{what}: {take_first_lines(_describe_error(error))}")
    details = _add_traceback(start, report)
    return replace(start, verdict=Verdict.FAILED, actual=actual, details=details, aborted=True)


def _describe_error(error: BaseException) -> str:
    text = str(error)
    if isinstance(error, (AssertionError, pytest.fail.Exception)) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _add_traceback(start: CaseResult, report: pytest.TestReport) -> str:
    traceback = clean(report.longreprtext, MAX_DETAILS_CHARACTERS)
    return f"{start.details}\n\n{traceback}" if start.details else traceback


def _get_stale_reason(report: pytest.TestReport) -> str | None:
    """Return the reason of an expected failure that did not occur, None where none was expected."""
    text = report.longreprtext
    if report.failed and text.startswith(_XPASS):
        return clean(text.removeprefix(_XPASS))
    reason: str | None = getattr(report, "wasxfail", None)
    return None if reason is None else clean(reason)
