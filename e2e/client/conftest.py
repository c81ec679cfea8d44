"""Fixtures of the reference client's tests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from e2e.worker.driver.system import ENABLED


@pytest.fixture(autouse=True)
def enable_telemetry(config_file: Path) -> None:
    """Let the server enable telemetry for every event."""
    config_file.write_text(json.dumps(ENABLED), encoding="utf-8")
