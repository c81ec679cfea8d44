"""scripts/fetch-mlflow with wheels that the tests build: the cache, the known hashes, the errors.

The script runs in its own folder with the real pip, which finds the wheels in a folder instead of an
index. Not covered: the contents of MLflow's own wheels, which the script checks.
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
    """A copy of the script, with a folder of wheels instead of a package index."""

    def __init__(self, folder: Path) -> None:
        self.script = folder / "checkout" / "scripts" / "fetch-mlflow"
        self.script.parent.mkdir(parents=True)
        shutil.copy(ROOT / "scripts" / "fetch-mlflow", self.script)
        self.cache = folder / "checkout" / ".cache" / "mlflow"
        self.wheels = folder / "wheels"
        self.wheels.mkdir()

    def build_wheel(self, version: str, files: dict[str, bytes]) -> Path:
        wheel = self.wheels / f"mlflow-{version}-py3-none-any.whl"
        dist_info = f"mlflow-{version}.dist-info"
        with zipfile.ZipFile(wheel, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
            archive.writestr(
                f"{dist_info}/METADATA", f"Metadata-Version: 2.1\nName: mlflow\nVersion: {version}"
            )
            archive.writestr(f"{dist_info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any")
            archive.writestr(f"{dist_info}/RECORD", "")
        return wheel

    def fetch(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels), "PIP_CONFIG_FILE": os.devnull}
        return subprocess.run(
            [sys.executable, self.script, *arguments],
            env={**os.environ, **pip},
            capture_output=True,
            text=True,
        )

    def list_cached_files(self) -> list[Path]:
        return [path for path in self.cache.rglob("*") if path.is_file()]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_script_is_extracted_unchanged(checkout: Checkout) -> None:
    others = {"mlflow/__init__.py": b"", BUILD_FOLDER + "static/js/editor.worker.js": b"another worker"}
    checkout.build_wheel("3.99.0", {BUILD_FOLDER + SCRIPT_NAME: SCRIPT, **others})
    run = checkout.fetch("3.99.0")
    script = checkout.cache / "3.99.0" / SCRIPT_NAME
    assert (run.returncode, run.stdout) == (0, f"{script}\n")
    assert script.read_bytes() == SCRIPT
    assert f"sha256 {hashlib.sha256(SCRIPT).hexdigest()}" in run.stderr
    assert checkout.list_cached_files() == [script]


def test_cached_script_is_not_fetched_again(checkout: Checkout) -> None:
    wheel = checkout.build_wheel("3.99.0", {BUILD_FOLDER + SCRIPT_NAME: SCRIPT})
    first = checkout.fetch("3.99.0")
    wheel.unlink()
    second = checkout.fetch("3.99.0")
    assert (second.returncode, second.stdout) == (0, first.stdout)


def test_partial_file_of_interrupted_run_is_ignored(checkout: Checkout) -> None:
    checkout.build_wheel("3.99.0", {BUILD_FOLDER + SCRIPT_NAME: SCRIPT})
    partial = checkout.cache / "3.99.0" / f"{SCRIPT_NAME}.partial-1"
    partial.parent.mkdir(parents=True)
    partial.write_bytes(SCRIPT[:5])
    run = checkout.fetch("3.99.0")
    assert run.returncode == 0
    assert Path(run.stdout.strip()).read_bytes() == SCRIPT


def test_known_version_with_another_script_is_rejected(checkout: Checkout) -> None:
    checkout.build_wheel("3.8.0", {BUILD_FOLDER + SCRIPT_NAME: SCRIPT})
    run = checkout.fetch("3.8.0")
    assert (run.returncode, run.stdout) == (1, "")
    assert f"{SCRIPT_NAME} is not the known script" in run.stderr
    assert checkout.list_cached_files() == []


def test_changed_script_in_cache_is_not_used(checkout: Checkout) -> None:
    changed = checkout.cache / "3.18.0" / SCRIPT_NAME
    changed.parent.mkdir(parents=True)
    changed.write_bytes(SCRIPT)
    run = checkout.fetch("3.18.0")
    assert (run.returncode, run.stdout) == (1, "")
    assert "downloading the wheel" in run.stderr


@pytest.mark.parametrize("count", [0, 2])
def test_wheel_without_exactly_one_script_is_an_error(checkout: Checkout, count: int) -> None:
    scripts = {f"{BUILD_FOLDER}{number}.{SCRIPT_NAME}": SCRIPT for number in range(count)}
    checkout.build_wheel("3.99.0", scripts)
    run = checkout.fetch("3.99.0")
    assert run.returncode == 1
    assert f"its wheel contains {count} telemetry worker scripts instead of one" in run.stderr


def test_missing_version_is_reported_on_one_line(checkout: Checkout) -> None:
    checkout.build_wheel("3.99.0", {BUILD_FOLDER + SCRIPT_NAME: SCRIPT})
    run = checkout.fetch("3.98.0")
    assert (run.returncode, run.stdout) == (1, "")
    _, error = run.stderr.splitlines()
    assert error.startswith("fetch-mlflow: 3.98.0: pip could not download it: ")
    assert "from versions" not in error


def test_unreachable_index_is_reported(checkout: Checkout) -> None:
    run = checkout.fetch("3.98.0")
    assert run.returncode == 1
    assert run.stderr.endswith("no package index with mlflow is reachable\n")


def test_failed_version_does_not_stop_the_others(checkout: Checkout) -> None:
    checkout.build_wheel("3.99.0", {BUILD_FOLDER + SCRIPT_NAME: SCRIPT})
    run = checkout.fetch("3.98.0", "3.99.0")
    assert run.returncode == 1
    assert run.stdout == f"{checkout.cache / '3.99.0' / SCRIPT_NAME}\n"


@pytest.mark.parametrize("argument", ["../3.8.0", "3.8.*", "latest", ">=3", "--force"])
def test_inexact_version_is_a_usage_error(checkout: Checkout, argument: str) -> None:
    run = checkout.fetch(argument)
    assert run.returncode == 2
    assert "usage: scripts/fetch-mlflow" in run.stderr
    assert checkout.list_cached_files() == []


def test_missing_version_argument_is_a_usage_error(checkout: Checkout) -> None:
    assert checkout.fetch().returncode == 2


def test_help_names_the_cache_folder(checkout: Checkout) -> None:
    run = checkout.fetch("--help")
    assert run.returncode == 0
    assert ".cache/mlflow/VERSION/" in run.stdout
