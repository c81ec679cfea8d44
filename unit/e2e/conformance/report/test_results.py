"""What follows from a run's verdicts: success or not, the worst of several, the order in the file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from e2e.conformance.case import Level, Verdict
from e2e.conformance.report.atomic_write import write_atomically
from e2e.conformance.report.results import Results
from e2e.conformance.report.verdicts import CaseResult

OK = CaseResult("one", "flush/2/1", Level.MUST, "requirement", "expected", "source", Verdict.OK)


def book_of(*judgements: CaseResult) -> Results:
    book = Results()
    for judged in judgements:
        book.add(judged)
    return book


@pytest.mark.parametrize(
    ("judged", "successful"),
    [
        (OK, True),
        (replace(OK, level=Level.SHOULD, verdict=Verdict.NON_STRICT), True),
        (replace(OK, verdict=Verdict.UNIMPLEMENTED, id="flush/2/2"), True),
        (replace(OK, verdict=Verdict.FAILED), False),
        (replace(OK, verdict=Verdict.FAILED, known_deviation="known"), False),
        (replace(OK, known_deviation="known", stale_deviation=True), False),
        (replace(OK, verdict=Verdict.FAILED, level=Level.MAY, actual="the case could not be run"), False),
    ],
)
def test_a_run_succeeds_when_every_must_holds_and_no_deviation_is_stale(
    judged: CaseResult, successful: bool
) -> None:
    assert book_of(replace(OK, id="batch/1/1"), judged).successful is successful


def test_a_run_that_judged_nothing_is_no_success() -> None:
    assert not Results().successful
    assert not book_of(replace(OK, verdict=Verdict.UNIMPLEMENTED)).successful


def test_a_run_that_is_not_whole_is_no_success() -> None:
    book = book_of(OK)
    book.problems.append("interrupted")
    assert not book.successful
    assert book.to_json()["problems"] == ["interrupted"]


@pytest.mark.parametrize("first_is_bad", [True, False])
def test_the_worst_of_several_runs_stays_and_so_does_a_stale_deviation(first_is_bad: bool) -> None:
    bad = replace(OK, verdict=Verdict.NON_STRICT, actual="bad")
    stale = replace(OK, stale_deviation=True, known_deviation="known")
    book = book_of(*((bad, stale) if first_is_bad else (stale, bad)))
    (judged,) = book
    assert (judged.verdict, judged.actual, judged.stale_deviation) == (Verdict.NON_STRICT, "bad", True)


def test_a_judgement_survives_the_way_between_processes() -> None:
    judged = replace(OK, known_deviation="known", details="text", seconds=1.5, actual="3 POSTs")
    assert CaseResult.from_wire(judged.to_wire()) == judged
    assert CaseResult.from_wire(replace(OK, verdict=None).to_wire()).verdict is None


def test_phases_add_up() -> None:
    start = replace(OK, verdict=None, seconds=1.0)
    call = replace(OK, verdict=Verdict.FAILED, seconds=2.0, details="from the call")
    end = replace(OK, verdict=None, seconds=4.0, details="from the end")
    judged = start.followed_by(call).followed_by(end)
    assert (judged.verdict, judged.seconds, judged.details) == (Verdict.FAILED, 7.0, "from the end")


def test_implementations_come_as_asked_for_and_cases_by_number() -> None:
    book = book_of(replace(OK, implementation="two", id="flush/10/1"), replace(OK, implementation="two"), OK)
    book.put_in_order(["one", "absent", "two"])
    data = book.to_json()
    assert list(data["implementations"]) == ["one", "two"]
    assert list(data["implementations"]["two"]["cases"]) == ["flush/2/1", "flush/10/1"]
    assert set(data["implementations"]["one"]["cases"]["flush/2/1"]) == {
        "verdict",
        "level",
        "requirement",
        "expected",
        "actual",
        "seconds",
        "source",
    }


def test_a_file_that_cannot_be_put_in_its_place_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "results.json" / "in the way").mkdir(parents=True)
    with pytest.raises(OSError, match=r"results\.json"):
        write_atomically(tmp_path / "results.json", "{}")
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]
