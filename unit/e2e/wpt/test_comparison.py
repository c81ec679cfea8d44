"""How results are read and compared, and what the list of known differences makes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.wpt.comparison import (
    ABSENT,
    HARNESS,
    NO_RESULTS,
    Comparison,
    Difference,
    Mode,
    find_differences,
    read_results,
)
from e2e.wpt.known_differences import DEFAULT_FILE, LIMIT, Known, judge, load

ENTRY = Known("a.html", "a reason", modes=("virtual",), browsers=("chromium",))


def compare(mode: Mode, *, differs: bool, page: str = "a.html") -> Comparison:
    return Comparison(page, mode, differences=[Difference("b", "PASS", "FAIL")] if differs else [])


def test_results_have_words_and_names_without_ports() -> None:
    raw = {"harness": 2, "tests": [["of http://localhost:34567/", 0], ["b", 1], ["c", 2], ["d", 3], ["e", 4]]}
    assert read_results(raw) == {
        HARNESS: "TIMEOUT",
        "of http://localhost:PORT/": "PASS",
        "b": "FAIL",
        "c": "TIMEOUT",
        "d": "NOTRUN",
        "e": "PRECONDITION_FAILED",
    }


def test_results_of_equal_names_are_kept_apart() -> None:
    raw = {"harness": 0, "tests": [["on :34567", 0], ["on :34568", 1], ["on :34569", 0]]}
    assert list(read_results(raw).items())[1:] == [
        ("on :PORT", "PASS"),
        ("on :PORT #2", "FAIL"),
        ("on :PORT #3", "PASS"),
    ]


@pytest.mark.parametrize(
    ("direct", "plugin", "expected"),
    [
        ([{"b": "PASS"}], [{"b": "PASS"}], []),
        ([{"b": "FAIL"}], [{"b": "FAIL"}], []),
        ([{"b": "PASS"}], [{"b": "FAIL"}], [Difference("b", "PASS", "FAIL")]),
        ([{"b": "FAIL"}], [{"b": "PASS"}], [Difference("b", "FAIL", "PASS")]),
        ([{"b": "PASS"}], [{}], [Difference("b", "PASS", ABSENT)]),
        ([{}], [{"b": "PASS"}], [Difference("b", ABSENT, "PASS")]),
        ([{HARNESS: "OK"}], [{HARNESS: NO_RESULTS}], [Difference(HARNESS, "OK", NO_RESULTS)]),
        ([{"b": "PASS"}, {"b": "FAIL"}], [{"b": "FAIL"}], []),
        ([{"b": "PASS"}], [{"b": "FAIL"}, {"b": "PASS"}], []),
        ([{"b": "PASS"}] * 2, [{"b": "FAIL"}, {"b": "TIMEOUT"}], [Difference("b", "PASS", "FAIL/TIMEOUT")]),
    ],
)
def test_difference_is_a_subtest_whose_results_never_agree(
    direct: list[dict[str, str]], plugin: list[dict[str, str]], expected: list[Difference]
) -> None:
    assert list(find_differences(direct, plugin)) == expected


def test_listed_difference_passes() -> None:
    run = [compare("real", differs=False), compare("virtual", differs=True)]
    verdict = judge(run, [ENTRY], "chromium")
    assert (verdict.known, verdict.is_ok) == ([("a.html", "virtual")], True)


@pytest.mark.parametrize(
    ("comparison", "browser_used"),
    [
        (compare("virtual", differs=True, page="other.html"), "chromium"),
        (compare("real", differs=True), "chromium"),
        (compare("virtual", differs=True), "firefox"),
    ],
    ids=["page", "mode", "browser"],
)
def test_difference_beyond_the_list_fails(comparison: Comparison, browser_used: str) -> None:
    verdict = judge([comparison], [ENTRY], browser_used)
    assert (verdict.new, verdict.is_ok) == ([(comparison.page, comparison.mode)], False)


def test_entry_that_no_longer_differs_fails() -> None:
    verdict = judge([compare("virtual", differs=False)], [ENTRY], "chromium")
    assert (verdict.gone, verdict.is_ok) == ([("a.html", "virtual")], False)


def test_entry_of_a_page_that_did_not_run_passes() -> None:
    assert judge([compare("virtual", differs=False, page="other.html")], [ENTRY], "chromium").is_ok


@pytest.mark.parametrize("differs", [True, False])
def test_entry_of_a_page_that_varies_passes(differs: bool) -> None:
    entry = Known("a.html", "a reason", varies=True)
    assert judge([compare("real", differs=differs)], [entry], "firefox").is_ok


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[page]]\npath = "a"\nreason = " "\n', "a has no reason"),
        ('[[page]]\npath = "a"\n', "reason"),
        ('[[page]]\npath = "a"\nreason = "b"\nmode = "real"\n', "mode"),
        ('[[page]]\npath = "a"\nreason = "b"\nmodes = ["direct"]\n', "direct"),
        ('[[page]]\npath = "a"\nreason = "b"\nbrowsers = ["webkit"]\n', "webkit"),
        (
            "".join(f'[[page]]\npath = "{number}"\nreason = "b"\n' for number in range(LIMIT + 1)),
            f"more than {LIMIT} pages",
        ),
    ],
)
def test_list_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "known.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        load(file)


def test_list_of_the_project_can_be_read() -> None:
    assert 0 < len(load(DEFAULT_FILE)) <= LIMIT
