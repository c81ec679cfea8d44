"""Keeps artefacts safe under pytest-xdist; registered in its worker processes only.

pytest-playwright empties the folder of `--output` when a process runs its first test. Under pytest-xdist
every worker process does so, also one that takes the place of a crashed one in the middle of the run, and
removes what failed tests of other processes have left there. Here the controlling process empties it,
once, before any of them starts.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest


def install(config: pytest.Config) -> None:
    """Take part in a run with pytest-xdist; does nothing in any other. Call it from pytest_configure."""
    if hasattr(config, "workerinput"):
        # Registered after all plugins that came by entry point, so that this fixture overrides theirs.
        config.pluginmanager.register(sys.modules[__name__], "sharedworker-output-folder")
    elif config.getoption("numprocesses", None) and not config.getoption("collectonly", False):
        shutil.rmtree(Path(config.getoption("--output")).absolute(), ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def delete_output_dir() -> None:
    """Take the place of pytest-playwright's fixture of this name, and delete nothing."""
