"""The command `scripts/wpt` takes its arguments in any order."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.wpt.cli import main


def test_options_may_stand_between_the_checkout_and_its_pages(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([str(tmp_path), "-n", "1", "workers/"])
    assert "is no checkout" in capsys.readouterr().err
