"""Where a run took place, so that a verdict can be obtained again."""

from __future__ import annotations

import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from e2e.conformance.paths import CHECKOUT
from e2e.conformance.report.sanitize import clean

_GIT_TIMEOUT_SECONDS = 10


def read_environment(browsers: Mapping[str, str], seed: int | None) -> dict[str, str]:
    """Return names and values for the report; `browsers` has the versions of the browsers that ran cases."""
    values = {
        **dict(sorted(browsers.items())),
        "Playwright": version("playwright"),
        "Python": platform.python_version(),
        "system": platform.platform(),
        "commit": _read_commit(),
        "command": _format_command(sys.argv),
        "seed": "" if seed is None else str(seed),
    }
    return {name: clean(value) for name, value in values.items() if value}


def _format_command(words: Sequence[str]) -> str:
    """Return the command as a person typed it."""
    name, *arguments = words
    if Path(name).name != "cli.py":
        return shlex.join([Path(name).name, *arguments])
    if "--invoked-from" in arguments:  # scripts/verify adds it.
        start = arguments.index("--invoked-from")
        del arguments[start : start + 2]
    return shlex.join(["scripts/verify", *arguments])


def _read_commit() -> str:
    """Return the commit of the checkout, with a plus where files have changed; "" without git."""
    try:
        commit = _run_git("rev-parse", "--short", "HEAD")
        return commit + ("+" if _run_git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return ""


def _run_git(*arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(CHECKOUT), *arguments],
        check=True,
        capture_output=True,
        text=True,
        timeout=_GIT_TIMEOUT_SECONDS,
    ).stdout.strip()
