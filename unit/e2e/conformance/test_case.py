"""Ids, verdicts and findings of cases. selection/test_cases.py covers the marker in pytest."""

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
def test_id_is_family_group_and_number(case_id: str) -> None:
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
def test_other_text_is_not_an_id(case_id: str) -> None:
    assert not is_case_id(case_id)
    with pytest.raises(ValueError, match="expected family/group/number"):
        case(case_id, Level.MUST, "requirement", expected="expected", source="source")


@pytest.mark.parametrize("field", ["requirement", "expected", "source"])
def test_empty_text_is_refused(field: str) -> None:
    texts = {"requirement": "a", "expected": "b", "source": "c", field: " "}
    with pytest.raises(ValueError, match=f"flush/2/1: {field} is empty"):
        Case("flush/2/1", Level.MUST, **texts)


def test_family_is_the_id_without_numbers() -> None:
    assert get_family("server/ingest/1/2") == "server/ingest"
    assert Case("flush/2/1", Level.MAY, "a", "b", "c").family == "flush"


def test_ids_sort_numerically() -> None:
    assert sorted(["flush/10/1", "flush/2/10", "flush/2/9", "batch/1/1"], key=sort_key) == [
        "batch/1/1",
        "flush/2/9",
        "flush/2/10",
        "flush/10/1",
    ]


def test_verdicts_are_ordered_by_severity() -> None:
    order = [Verdict.OK, Verdict.UNIMPLEMENTED, Verdict.NON_STRICT, Verdict.INCONCLUSIVE, Verdict.FAILED]
    assert sorted(Verdict, key=lambda verdict: verdict.severity) == order


def test_finding_shows_expected_and_actual() -> None:
    finding = FindingError("1 POST", "3 POSTs")
    assert (finding.expected, finding.actual) == ("1 POST", "3 POSTs")
    assert "expected: 1 POST" in str(finding)
    assert "3 POSTs" in str(finding)


def test_retired_id_is_refused() -> None:
    for retired, successor in RETIRED.items():
        with pytest.raises(ValueError, match=f"{retired}: is retired, see {successor}"):
            Case(retired, Level.MUST, "it holds", "it holds", "the protocol")
        assert is_case_id(successor)
        assert successor not in RETIRED
