"""The registry of formats: each module in the folder is one format."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.conformance.report import formats
from e2e.conformance.report.formats import FORMATS
from e2e.conformance.report.report_format import ReportContext, ReportFormat
from unit.support.conformance_results import FAILED, OK, collect


def test_each_module_is_a_format() -> None:
    modules = {path.stem for path in Path(*formats.__path__).glob("*.py")} - {"__init__"}
    assert len(FORMATS) == len(modules)
    assert sorted(each.name for each in FORMATS) == [
        "badge-json",
        "badge-svg",
        "github",
        "html",
        "json",
        "junit",
        "step-summary",
        "terminal",
    ]


@pytest.mark.parametrize("report_format", FORMATS, ids=lambda each: each.name)
def test_format_writes_its_file_and_no_other(report_format: ReportFormat, tmp_path: Path) -> None:
    report_format.write(collect(OK, FAILED), ReportContext(tmp_path, {"one": "a description"}))
    expected = [report_format.file_name] if report_format.file_name else []
    assert [path.name for path in tmp_path.iterdir()] == expected
