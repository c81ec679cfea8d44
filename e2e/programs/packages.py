"""npm packages of these tests, in an ignored folder of the checkout, and programs that run on Node.js."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

import pytest

from e2e.client.npm_app import run
from e2e.conformance.paths import CHECKOUT

VERSIONS = {
    "@sqlite.org/sqlite-wasm": "3.41.2",
    "comlink": "4.4.2",
    "msw": "3.0.5",
    "socket.io": "4.8.4",
    "socket.io-client": "4.8.4",
    "vite": "8.3.8",
}
_OPTIONS = ("--no-audit", "--no-fund", "--no-package-lock", "--prefer-offline", "--ignore-scripts")


def install() -> Path:
    """Return the folder `node_modules` with all packages. Skip the test where they cannot be had."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed: it comes with Node.js")
    words = [f"{name}@{version}" for name, version in VERSIONS.items()]
    cache = CHECKOUT / ".cache"
    target = cache / "programs" / "_".join(words).replace("/", "-")
    if not target.exists():
        cache.mkdir(exist_ok=True)
        folder = Path(mkdtemp(dir=cache, prefix="npm-"))
        (folder / "package.json").write_text(json.dumps({"name": "programs", "private": True}), "utf-8")
        try:
            run("npm", "install", *_OPTIONS, *words, cwd=folder)
            target.parent.mkdir(exist_ok=True)
            folder.rename(target)
        except (AssertionError, subprocess.TimeoutExpired) as error:
            pytest.skip(f"npm cannot install {', '.join(words)}: {error}")
        except OSError:
            assert target.exists()  # Another process was faster.
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    return target / "node_modules"


@contextmanager
def start_node(*arguments: str | Path, cwd: Path, ready: str) -> Iterator[str]:
    """Run a program on Node.js and give its first line that contains `ready`; end it afterwards."""
    process = subprocess.Popen(
        ["node", *map(str, arguments)],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if ready in line:
                break
        else:
            raise AssertionError(f"{arguments[0]} ends:\n{''.join(lines)}")
        yield line
    finally:
        process.terminate()
        process.communicate(timeout=10)
