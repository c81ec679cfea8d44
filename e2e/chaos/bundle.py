"""The bundle of the reference: the same worker and client as the modules, as another script."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache

from e2e.conformance.paths import CHECKOUT

BUILD_TIMEOUT_SECONDS = 100


@cache
def build_bundle() -> bytes | None:
    """Return the script of the bundle; None where it cannot be built, because Node.js is not installed."""
    if shutil.which("npx") is None:
        return None
    built = subprocess.run(
        [CHECKOUT / "scripts" / "bundle"],
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=BUILD_TIMEOUT_SECONDS,
    )
    path = CHECKOUT / built.stdout.strip()
    # A bundle that is too large is printed, too: whether it is, is not a question of these tests.
    return path.read_bytes() if path.is_file() else None
