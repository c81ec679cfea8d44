"""What the tests of the reference client work with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from e2e.worker.driver.system import ENABLED


@pytest.fixture(autouse=True)
def enabled(config_file: Path) -> None:
    """A server that takes everything."""
    config_file.write_text(json.dumps(ENABLED), encoding="utf-8")
