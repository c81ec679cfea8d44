"""Reading an earlier results.json: whatever else is in the file is refused with a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from e2e.conformance.report.formats.results_json import build_json
from e2e.conformance.report.results_file import ResultsFileError, load_earlier_results
from unit.support.conformance_results import OK, collect

CASE = {"verdict": "ok", "level": "MUST", "requirement": "r"}
HOSTILE = "\x1b[31m<b>::error::"


def make(cases: object, **more: object) -> str:
    return json.dumps({"schema": 1, "implementations": {"one": {"cases": cases}}, **more})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no results.json of this suite: Input data was truncated"),
        ("<html>", "is no results.json of this suite: JSON is malformed"),
        ("[]", "Expected `object`, got `array`"),
        ("{}", "missing required field `schema`"),
        (
            '{"schema": 2, "implementations": {}}',
            "is of schema 2, and this version of the suite knows schema 1",
        ),
        ('{"schema": true, "implementations": {}}', "Expected `int`, got `bool`"),
        ('{"schema": "1"}', "Expected `int`, got `str`"),
        ('{"schema": 1}', "missing required field `implementations`"),
        (make({"flush/1/1": {**CASE, "verdict": "fine"}}), "Invalid enum value 'fine'"),
        (make({"flush/1/1": {"verdict": "ok"}}), "missing required field `level`"),
        (make({HOSTILE: CASE}), r"is no case"),
        (make({}, environment={"chromium": 1}), "Expected `str`, got `int`"),
        ("[" * 100_000, "is no results.json of this suite"),
    ],
)
def test_other_contents_are_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "other.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ResultsFileError) as info:
        load_earlier_results(file, "other.json")
    assert str(info.value).startswith("other.json: ")
    assert message in str(info.value)
    assert "\x1b" not in str(info.value)
    assert "\n" not in str(info.value)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"PK\x03\x04", b"\x00" * 50])
def test_binary_file_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "results.json"
    file.write_bytes(content)
    with pytest.raises(ResultsFileError, match=r"is no results\.json"):
        load_earlier_results(file, "results.json")


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ResultsFileError, match="absent: cannot be read: No such file or directory"):
        load_earlier_results(tmp_path / "absent", "absent")


def test_folder_of_a_report_stands_for_its_file(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(json.dumps(build_json(collect(OK))))
    assert list(load_earlier_results(tmp_path, "report").cases) == [("one", "flush/2/1")]


def test_texts_of_the_file_are_cleaned_and_new_keys_ignored(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    contents = {
        "schema": 1,
        "environment": {"commit": HOSTILE},
        "implementations": {HOSTILE: {"cases": {"flush/1/1": {**CASE, "requirement": HOSTILE, "later": 1}}}},
    }
    file.write_text(json.dumps(contents))
    earlier = load_earlier_results(file, HOSTILE)
    ((name, _), case), *_ = earlier.cases.items()
    for text in (name, case.requirement, earlier.environment["commit"], earlier.file):
        assert text.startswith(r"\x1b[31m<b>")
