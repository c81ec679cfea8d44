"""scripts/fetch-mlflow against wheels made on the spot: the cache, the known sums, the errors.

The script runs in a folder of its own with the real pip, which finds the wheels in a folder instead
of on an index. Not covered: the contents of MLflow's own wheels, which the script checks by itself.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD_FOLDER = "mlflow/server/js/build/"
SCRIPT_NAME = "Logger.telemetry-worker.0123abc.worker.js"
SCRIPT = b"onconnect = () => {};\n"


class Checkout:
    """A copy of the script, with a folder of wheels in place of a package index."""

    def __init__(self, folder: Path) -> None:
        self.script = folder / "checkout" / "scripts" / "fetch-mlflow"
        self.script.parent.mkdir(parents=True)
        shutil.copy(ROOT / "scripts" / "fetch-mlflow", self.script)
        self.cache = folder / "checkout" / ".cache" / "mlflow"
        self.wheels = folder / "wheels"
        self.wheels.mkdir()

    def publish(self, version: str, files: dict[str, bytes]) -> Path:
        wheel = self.wheels / f"mlflow-{version}-py3-none-any.whl"
        information = f"mlflow-{version}.dist-info"
        with zipfile.ZipFile(wheel, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
            archive.writestr(
                f"{information}/METADATA", f"Metadata-Version: 2.1\nName: mlflow\nVersion: {version}"
            )
            archive.writestr(f"{information}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any")
            archive.writestr(f"{information}/RECORD", "")
        return wheel

    def fetch(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels), "PIP_CONFIG_FILE": os.devnull}
        return subprocess.run(
            [sys.executable, self.script, *arguments],
            env={**os.environ, **pip},
            capture_output=True,
            text=True,
        )

    def cached_files(self) -> list[Path]:
        return [path for path in self.cache.rglob("*") if path.is_file()]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_the_script_is_taken_out_of_the_wheel_unchanged(checkout: Checkout) -> None:
    others = {"mlflow/__init__.py": b"", BUILD_FOLDER + "static/js/editor.worker.js": b"another worker"}
    checkout.publish("3.99.0", {BUILD_FOLDER + SCRIPT_NAME: SCRIPT, **others})
    run = checkout.fetch("3.99.0")
    script = checkout.cache / "3.99.0" / SCRIPT_NAME
    assert (run.returncode, run.stdout) == (0, f"{script}\n")
    assert script.read_bytes() == SCRIPT
    assert f"sha256 {hashlib.sha256(SCRIPT).hexdigest()}" in run.stderr
    assert checkout.cached_files() == [script]


def test_what_is_there_is_not_fetched_again(checkout: Checkout) -> None:
    wheel = checkout.publish("3.99.0", {BUILD_FOLDER + SCRIPT_NAME: SCRIPT})
    first = checkout.fetch("3.99.0")
    wheel.unlink()
    second = checkout.fetch("3.99.0")
    assert (second.returncode, second.stdout) == (0, first.stdout)


def test_what_an_interrupted_run_left_is_not_taken(checkout: Checkout) -> None:
    checkout.publish("3.99.0", {BUILD_FOLDER + SCRIPT_NAME: SCRIPT})
    left = checkout.cache / "3.99.0" / f"{SCRIPT_NAME}.partial-1"
    left.parent.mkdir(parents=True)
    left.write_bytes(SCRIPT[:5])
    run = checkout.fetch("3.99.0")
    assert run.returncode == 0
    assert Path(run.stdout.strip()).read_bytes() == SCRIPT


def test_a_known_version_with_another_script_is_refused(checkout: Checkout) -> None:
    checkout.publish("3.8.0", {BUILD_FOLDER + SCRIPT_NAME: SCRIPT})
    run = checkout.fetch("3.8.0")
    assert (run.returncode, run.stdout) == (1, "")
    assert f"{SCRIPT_NAME} is not the known script" in run.stderr
    assert checkout.cached_files() == []


def test_a_known_version_that_was_changed_in_the_cache_is_not_used(checkout: Checkout) -> None:
    changed = checkout.cache / "3.18.0" / SCRIPT_NAME
    changed.parent.mkdir(parents=True)
    changed.write_bytes(SCRIPT)
    run = checkout.fetch("3.18.0")
    assert (run.returncode, run.stdout) == (1, "")
    assert "downloading the wheel" in run.stderr


@pytest.mark.parametrize("count", [0, 2])
def test_a_wheel_without_exactly_one_script_is_an_error(checkout: Checkout, count: int) -> None:
    scripts = {f"{BUILD_FOLDER}{number}.{SCRIPT_NAME}": SCRIPT for number in range(count)}
    checkout.publish("3.99.0", scripts)
    run = checkout.fetch("3.99.0")
    assert run.returncode == 1
    assert f"its wheel holds {count} telemetry worker scripts instead of one" in run.stderr


def test_a_version_that_does_not_exist_is_one_clear_line(checkout: Checkout) -> None:
    checkout.publish("3.99.0", {BUILD_FOLDER + SCRIPT_NAME: SCRIPT})
    run = checkout.fetch("3.98.0")
    assert (run.returncode, run.stdout) == (1, "")
    _, error = run.stderr.splitlines()
    assert error.startswith("fetch-mlflow: 3.98.0: pip could not download it: ")
    assert "from versions" not in error


def test_no_index_within_reach_is_said(checkout: Checkout) -> None:
    run = checkout.fetch("3.98.0")
    assert run.returncode == 1
    assert run.stderr.endswith("no package index that has mlflow is within reach\n")


def test_one_failing_version_does_not_keep_the_others_back(checkout: Checkout) -> None:
    checkout.publish("3.99.0", {BUILD_FOLDER + SCRIPT_NAME: SCRIPT})
    run = checkout.fetch("3.98.0", "3.99.0")
    assert run.returncode == 1
    assert run.stdout == f"{checkout.cache / '3.99.0' / SCRIPT_NAME}\n"


@pytest.mark.parametrize("argument", ["../3.8.0", "3.8.*", "latest", ">=3", "--force"])
def test_anything_but_an_exact_version_is_wrong_use(checkout: Checkout, argument: str) -> None:
    run = checkout.fetch(argument)
    assert run.returncode == 2
    assert "usage: scripts/fetch-mlflow" in run.stderr
    assert checkout.cached_files() == []


def test_no_version_is_wrong_use(checkout: Checkout) -> None:
    assert checkout.fetch().returncode == 2


def test_help_says_where_the_script_goes(checkout: Checkout) -> None:
    run = checkout.fetch("--help")
    assert run.returncode == 0
    assert ".cache/mlflow/VERSION/" in run.stdout
