"""Signals whose exception Python ignores, because it is raised in the callback of a weak reference."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TIMEOUT_SECONDS = 60

INTERRUPTED_CALLBACK = """
import signal, time, weakref

class Thing: pass

def test_waits():
    thing = Thing()
    reference = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGINT))
    del thing
    time.sleep(600)
"""

TIMED_OUT_CALLBACK = """
import time, weakref

class Thing: pass

def test_waits():
    thing = Thing()
    reference = weakref.ref(thing, lambda _: time.sleep(600))
    del thing
    time.sleep(600)

def test_next():
    pass
"""


def run_pytest(folder: Path, test: str, *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_callback.py").write_text(test)
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--rootdir", str(folder), str(folder)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
    )


def test_interrupt_that_python_ignores_is_delivered_again(tmp_path: Path) -> None:
    run = run_pytest(tmp_path, INTERRUPTED_CALLBACK)
    assert run.returncode == pytest.ExitCode.INTERRUPTED, run.stdout + run.stderr


def test_timeout_that_python_ignores_is_delivered_again(tmp_path: Path) -> None:
    run = run_pytest(tmp_path, TIMED_OUT_CALLBACK, "--timeout", "2")
    assert "1 failed, 1 passed" in run.stdout, run.stdout + run.stderr
