"""From one phase of one test (set up, call, tear down) to a verdict, by the rules of the suite.

| what happened | verdict |
|---|---|
| the case held | ok |
| it did not, level MUST | failed |
| it did not, level SHOULD or MAY | non-strict |
| it was skipped | unimplemented |
| it could not be set up, or not be cleaned up | failed |
| it broke off: its call raised anything but an AssertionError (such as a FindingError) | failed |

The last two say nothing about the requirement: they are marked as broken off.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import pytest

from e2e.conformance.case import Case, FindingError, Level, Verdict
from e2e.conformance.report.sanitize import MAX_DETAILS_CHARACTERS, clean, first_lines
from e2e.conformance.report.timeline import Timeline

AS_EXPECTED = "as expected"
NO_IMPLEMENTATION = "none"
"""Column of a case that asks for no implementation."""
NOT_RUN = "the case could not be run"
BROKE_OFF = "the case broke off"
NOT_CLEANED_UP = "the case could not be cleaned up"


@dataclass(frozen=True)
class CaseResult:
    """What a run says about a case on an implementation; all text is clean (see `sanitize`).

    `verdict` is None while only the set-up is over. `stale_deviation` is a known deviation that held.
    `broke_off`: the case did not come to its end, so that the verdict says nothing about the requirement.
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
    broke_off: bool = False
    details: str | None = None
    timeline: Timeline | None = None

    def to_wire(self) -> dict[str, Any]:
        """As plain values, which travel between processes."""
        return {
            **{field.name: getattr(self, field.name) for field in fields(self)},
            "level": self.level.value,
            "verdict": self.verdict and self.verdict.value,
            "timeline": self.timeline and self.timeline.to_wire(),
        }

    @classmethod
    def from_wire(cls, values: dict[str, Any]) -> CaseResult:
        """The opposite of `to_wire`."""
        known = {field.name: values[field.name] for field in fields(cls)}
        known["level"] = Level(values["level"])
        known["verdict"] = values["verdict"] and Verdict(values["verdict"])
        known["timeline"] = values["timeline"] and Timeline.from_wire(values["timeline"])
        return cls(**known)

    def worse(self, other: CaseResult) -> CaseResult:
        """The worse of two; at a draw this one. A stale deviation stays stale."""
        stale = self.stale_deviation or other.stale_deviation
        badness = -1 if self.verdict is None else self.verdict.badness
        other_badness = -1 if other.verdict is None else other.verdict.badness
        return replace(self if badness >= other_badness else other, stale_deviation=stale)

    def followed_by(self, later: CaseResult) -> CaseResult:
        """Two phases of the same run: the worse verdict, the time of both, what is known last of the rest."""
        told = later.details is not None and self.details is not None and later.details in self.details
        return replace(
            self.worse(later),
            seconds=self.seconds + later.seconds,
            details=self.details if told else later.details or self.details,
            timeline=later.timeline or self.timeline,
        )


def judge(
    case: Case,
    implementation: str,
    report: pytest.TestReport,
    error: BaseException | None,
    *,
    observed: str | None,
    details: str | None,
    timeline: Timeline | None = None,
) -> CaseResult:
    """Judge one phase. `error` is what it raised; the rest is what the case itself told."""
    start = CaseResult(
        implementation=clean(implementation),
        id=case.id,
        level=case.level,
        requirement=clean(case.requirement),
        expected=clean(case.expected),
        source=clean(case.source),
        actual=clean(observed or AS_EXPECTED),
        seconds=report.duration,
        details=clean(details, MAX_DETAILS_CHARACTERS) if details else None,
        timeline=timeline,
    )
    if isinstance(error, pytest.skip.Exception):
        return replace(start, verdict=Verdict.UNIMPLEMENTED, actual=clean(str(error) or "skipped"))
    if error is None:
        if report.when != "call":
            return start
        stale = _stale_reason(report)
        return replace(start, verdict=Verdict.OK, known_deviation=stale, stale_deviation=stale is not None)
    if report.when == "setup":
        return _broken(start, NOT_RUN, report, error)
    if not isinstance(error, AssertionError):
        return _broken(start, BROKE_OFF if report.when == "call" else NOT_CLEANED_UP, report, error)
    return _not_held(start, report, error)


def _not_held(start: CaseResult, report: pytest.TestReport, error: BaseException) -> CaseResult:
    verdict = Verdict.FAILED if start.level is Level.MUST else Verdict.NON_STRICT
    # pytest leaves the reason of an expected failure on the report, but types do not know it.
    reason: str | None = getattr(report, "wasxfail", None)
    judged = replace(start, verdict=verdict, known_deviation=clean(reason) if reason else None)
    if isinstance(error, FindingError):
        return replace(judged, expected=clean(error.expected), actual=clean(error.actual))
    return replace(judged, actual=clean(first_lines(_sentence(error))), details=_with_trace(start, report))


def _broken(start: CaseResult, what: str, report: pytest.TestReport, error: BaseException) -> CaseResult:
    actual = clean(f"{what}: {first_lines(_sentence(error))}")
    details = _with_trace(start, report)
    return replace(start, verdict=Verdict.FAILED, actual=actual, details=details, broke_off=True)


def _sentence(error: BaseException) -> str:
    text = str(error)
    if isinstance(error, (AssertionError, pytest.fail.Exception)) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _with_trace(start: CaseResult, report: pytest.TestReport) -> str:
    trace = clean(report.longreprtext, MAX_DETAILS_CHARACTERS)
    return f"{start.details}\n\n{trace}" if start.details else trace


def _stale_reason(report: pytest.TestReport) -> str | None:
    """The reason of an expected failure that did not happen, None where none was expected."""
    marker = "[XPASS(strict)] "
    text = report.longreprtext
    if report.failed and text.startswith(marker):
        return clean(text[len(marker) :])
    reason: str | None = getattr(report, "wasxfail", None)
    return None if reason is None else clean(reason)
