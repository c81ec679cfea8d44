"""Each worker and server broken on purpose fails the cases that claim to catch it: no case is a decoration.

What the unbroken ones do is tried by the cases themselves; the rules of the proof, in the tests of
`e2e.mutants.__main__`.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from e2e.conformance.paths import CHECKOUT

RUN_TIMEOUT_SECONDS = 900


@pytest.mark.timeout(RUN_TIMEOUT_SECONDS + 20)
def test_every_broken_one_is_caught_and_every_case_catches_one_or_says_why_not() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "e2e.mutants"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT_SECONDS,
    )
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-4000:]
