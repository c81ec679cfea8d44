"""Ids, levels and findings of cases. How pytest treats the marker is in test_selection."""

from __future__ import annotations

import pytest

from e2e.conformance.case import (
    RETIRED,
    Case,
    FindingError,
    Level,
    Verdict,
    case,
    get_family,
    is_case_id,
    sort_key,
)


@pytest.mark.parametrize("case_id", ["flush/2/1", "server/ingest/1/12", "opt-out/10/3"])
def test_an_id_is_a_family_a_group_and_a_number(case_id: str) -> None:
    assert is_case_id(case_id)


@pytest.mark.parametrize(
    "case_id",
    [
        "",
        "flush",
        "flush/2",
        "flush/2/",
        "flush/0/1",
        "flush/02/1",
        "Flush/2/1",
        "2/1",
        "flush/2/1\n",
        "flush//2/1",
    ],
)
def test_nothing_else_is_an_id(case_id: str) -> None:
    assert not is_case_id(case_id)
    with pytest.raises(ValueError, match="expected family/group/number"):
        case(case_id, Level.MUST, "requirement", expected="expected", source="source")


@pytest.mark.parametrize("field", ["requirement", "expected", "source"])
def test_no_text_of_a_case_is_empty(field: str) -> None:
    texts = {"requirement": "a", "expected": "b", "source": "c", field: " "}
    with pytest.raises(ValueError, match=f"flush/2/1: {field} is empty"):
        Case("flush/2/1", Level.MUST, **texts)


def test_the_family_is_all_but_the_numbers() -> None:
    assert get_family("server/ingest/1/2") == "server/ingest"
    assert Case("flush/2/1", Level.MAY, "a", "b", "c").family == "flush"


def test_numbers_sort_as_numbers() -> None:
    assert sorted(["flush/10/1", "flush/2/10", "flush/2/9", "batch/1/1"], key=sort_key) == [
        "batch/1/1",
        "flush/2/9",
        "flush/2/10",
        "flush/10/1",
    ]


def test_a_failed_case_is_worse_than_a_non_strict_one_and_that_worse_than_one_that_was_not_asked() -> None:
    order = [Verdict.OK, Verdict.UNIMPLEMENTED, Verdict.NON_STRICT, Verdict.FAILED]
    assert sorted(Verdict, key=lambda verdict: verdict.badness) == order


def test_a_finding_says_both_halves_where_pytest_shows_it() -> None:
    finding = FindingError("1 POST", "3 POSTs")
    assert (finding.expected, finding.actual) == ("1 POST", "3 POSTs")
    assert "expected: 1 POST" in str(finding)
    assert "3 POSTs" in str(finding)


def test_a_retired_id_is_not_used_again() -> None:
    for retired, successor in RETIRED.items():
        with pytest.raises(ValueError, match=f"{retired}: is retired, see {successor}"):
            Case(retired, Level.MUST, "it holds", "it holds", "the protocol")
        assert is_case_id(successor)
        assert successor not in RETIRED
