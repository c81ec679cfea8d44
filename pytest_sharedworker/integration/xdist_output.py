"""Keep the artifacts of failed tests under pytest-xdist.

pytest-playwright empties the folder of `--output` when a process runs its first test. Under pytest-xdist
every worker process does so, also one that replaces a crashed process in the middle of the run, and deletes
the artifacts of other processes. With this module the controlling process empties the folder once, before
any worker process starts.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest


def install(config: pytest.Config) -> None:
    """Install this module in a run with pytest-xdist, in pytest_configure; else do nothing."""
    if hasattr(config, "workerinput"):
        # Registered after all plugins of entry points, so that this fixture overrides theirs.
        config.pluginmanager.register(sys.modules[__name__], "sharedworker-output-folder")
    elif config.getoption("numprocesses", None) and not config.getoption("collectonly", False):
        shutil.rmtree(Path(config.getoption("--output")).absolute(), ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def delete_output_dir() -> None:
    """Override pytest-playwright's fixture of this name, and delete nothing."""
