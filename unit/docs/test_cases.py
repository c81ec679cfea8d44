"""The page of all cases is the one that the code gives."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
PAGE = CHECKOUT / "docs" / "cases.md"


def test_page_lists_all_cases_as_they_are() -> None:
    command = [sys.executable, "-m", "e2e.conformance.case_page"]
    page = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    assert page.count("\n| `") > 400
    assert page == PAGE.read_text(encoding="utf-8"), (
        "docs/cases.md is out of date: .venv/bin/python -m e2e.conformance.case_page > docs/cases.md"
    )
