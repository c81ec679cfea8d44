"""scripts/setup in a dummy project: what it creates, keeps and creates again, and its error messages.

The dummy project has no dependencies and its own build backend, so that the real venv and pip run without a
network; its browser is a script that prints a version. Not covered: installing a browser, which changes the
machine, and the real project's dependencies.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

DISCOVERY = ("__init__.py", "errors.py", "terminal_text.py", "browsers/__init__.py", "browsers/discovery.py")
"""The modules of the plugin that find a browser."""

PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""

# The smallest build backend that pip accepts for an editable install with an extra.
BACKEND = """
import pathlib
import zipfile

METADATA = "Metadata-Version: 2.1\\nName: dummy\\nVersion: 1.0\\nProvides-Extra: checkout\\n"
WHEEL = "Wheel-Version: 1.0\\nGenerator: dummy\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    name = "dummy-1.0-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(wheel_directory, name), "w") as wheel:
        wheel.writestr("dummy_is_installed.py", "")
        wheel.writestr("dummy-1.0.dist-info/METADATA", METADATA)
        wheel.writestr("dummy-1.0.dist-info/WHEEL", WHEEL)
        wheel.writestr("dummy-1.0.dist-info/RECORD", "")
    return name
"""


class Checkout:
    """The dummy project, and methods that run scripts/setup in it."""

    def __init__(self, folder: Path) -> None:
        # The space in the name catches missing quotes in the script.
        self.folder = folder / "a checkout"
        (self.folder / "scripts").mkdir(parents=True)
        shutil.copy(ROOT / "scripts" / "setup", self.folder / "scripts" / "setup")
        (self.folder / "pytest_sharedworker" / "browsers").mkdir(parents=True)
        for module in DISCOVERY:
            shutil.copy(ROOT / "pytest_sharedworker" / module, self.folder / "pytest_sharedworker" / module)
        (self.folder / "pyproject.toml").write_text(PYPROJECT)
        (self.folder / "backend.py").write_text(BACKEND)
        (self.folder / "constraints.txt").write_text("")
        self.browser = folder / "browser"
        self.browser.write_text("#!/bin/sh\necho Dummy Browser 1.2.3\n")
        self.browser.chmod(0o755)
        self.marker = self.folder / ".venv" / "marker"

    def build_environ(self, **changes: str) -> dict[str, str]:
        isolated = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
        browsers = dict.fromkeys(("CHROMIUM", "FIREFOX", "WEBKIT"), str(self.browser))
        return {**os.environ, **isolated, **browsers, "PYTHON": sys.executable, **changes}

    def run_setup(self, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.folder / "scripts" / "setup", *arguments],
            env=self.build_environ(**changes),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    def interrupt_setup_at(self, text: str, **changes: str) -> str:
        """Interrupt scripts/setup as soon as it prints the text. Return its output."""
        command = [self.folder / "scripts" / "setup"]
        environ = self.build_environ(**changes)
        with subprocess.Popen(
            command, env=environ, stderr=subprocess.PIPE, text=True, start_new_session=True
        ) as run:
            assert run.stderr is not None
            output = ""
            while text not in output:
                line = run.stderr.readline()
                assert line, f"it ended without {text!r}; its output:\n{output}"
                output += line
            os.killpg(run.pid, signal.SIGINT)
            output += run.stderr.read()
        assert run.returncode == 130
        assert "interrupted" in output
        return output

    def create_venv_without_setup(self) -> None:
        """Create a .venv without scripts/setup. It uses the pip of the base Python, which is faster."""
        base = Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
        options = ["--without-pip", "--system-site-packages"]
        subprocess.run([base, "-m", "venv", *options, self.folder / ".venv"], check=True)
        self.marker.touch()

    def is_installed(self) -> bool:
        """Return whether the Python in .venv can import the project."""
        python = self.folder / ".venv" / "bin" / "python"
        return subprocess.run([python, "-c", "import dummy_is_installed"]).returncode == 0


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Return a checkout that is not set up."""
    return Checkout(tmp_path)


@pytest.fixture(scope="module")
def shared_checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    checkout = Checkout(tmp_path_factory.mktemp("setup"))
    checkout.create_venv_without_setup()
    run = checkout.run_setup()
    assert run.returncode == 0, run.stderr
    return checkout


@pytest.fixture
def ready_checkout(shared_checkout: Checkout) -> Iterator[Checkout]:
    """Yield a checkout that is set up. Its marker file in .venv is gone if .venv is created again."""
    yield shared_checkout
    assert shared_checkout.run_setup().returncode == 0


def test_first_run_installs_and_reports_progress(checkout: Checkout) -> None:
    run = checkout.run_setup()
    assert run.returncode == 0, run.stderr
    assert checkout.is_installed()
    assert "creating .venv with Python 3." in run.stderr
    assert "dependencies installed in" in run.stderr
    assert run.stdout.startswith("setup: ready (Python 3.")
    assert run.stdout.endswith(", Dummy Browser 1.2.3)\n")


def test_second_run_only_checks(ready_checkout: Checkout) -> None:
    run = ready_checkout.run_setup()
    assert run.returncode == 0
    assert run.stderr == ""
    assert ready_checkout.marker.exists()


@pytest.mark.parametrize("name", ["firefox", "webkit"])
def test_option_checks_a_further_browser(ready_checkout: Checkout, name: str) -> None:
    assert ready_checkout.run_setup(f"--{name}").stdout.count("Dummy Browser") == 2
    variable = name.upper()
    run = ready_checkout.run_setup(f"--{name}", **{variable: "/nowhere/browser"})
    assert run.returncode == 1
    assert f"{variable} is set to '/nowhere/browser'" in run.stderr


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_changed_dependencies_are_installed_into_the_same_venv(ready_checkout: Checkout, name: str) -> None:
    with (ready_checkout.folder / name).open("a") as file:
        file.write("# changed\n")
    run = ready_checkout.run_setup()
    assert run.returncode == 0, run.stderr
    assert "dependencies installed in" in run.stderr
    assert ready_checkout.marker.exists()


def test_interrupted_run_is_started_over(checkout: Checkout) -> None:
    checkout.create_venv_without_setup()
    checkout.interrupt_setup_at("installing the dependencies", PYTHON="")
    assert checkout.marker.exists()

    run = checkout.run_setup(PYTHON=sys.executable)
    assert run.returncode == 0, run.stderr
    assert "creating .venv" in run.stderr
    assert not checkout.marker.exists()
    assert checkout.is_installed()


def test_venv_of_another_folder_is_created_again(checkout: Checkout) -> None:
    checkout.create_venv_without_setup()
    (checkout.folder / ".venv" / ".setup-stamp").write_text("checkout /elsewhere\npython 3\ndependencies 0\n")
    # Without PYTHON, the Python in .venv itself creates the next .venv.
    output = checkout.interrupt_setup_at("installing the dependencies", PYTHON="")
    assert "creating it again" in output
    assert not checkout.marker.exists()
    assert (checkout.folder / ".venv" / "bin" / "pip").exists()


def test_failed_installation_shows_pips_output(checkout: Checkout) -> None:
    checkout.create_venv_without_setup()
    (checkout.folder / "constraints.txt").write_text("this is not a requirement\n")
    run = checkout.run_setup()
    assert run.returncode == 1
    assert "this is not a requirement" in run.stderr
    assert "pip could not install the dependencies" in run.stderr
    assert "run scripts/setup again" in run.stderr
    assert not (checkout.folder / ".venv" / ".setup-stamp").exists()


def test_foreign_venv_that_does_not_match_is_kept(checkout: Checkout) -> None:
    config = checkout.folder / ".venv" / "pyvenv.cfg"
    config.parent.mkdir()
    config.write_text("made by hand")
    run = checkout.run_setup()
    assert run.returncode == 1
    assert "mv .venv .venv-old" in run.stderr
    assert config.read_text() == "made by hand"


def test_wrong_browser_variable_is_an_error(ready_checkout: Checkout) -> None:
    run = ready_checkout.run_setup(CHROMIUM="/nowhere/chromium")
    assert run.returncode == 1
    assert "CHROMIUM is set to '/nowhere/chromium'" in run.stderr
    assert "download" not in run.stderr


def test_browser_that_does_not_start_is_an_error(ready_checkout: Checkout, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho a library is missing >&2\nexit 127\n")
    broken.chmod(0o755)
    run = ready_checkout.run_setup(CHROMIUM=str(broken))
    assert run.returncode == 1
    assert "a library is missing" in run.stderr
    assert f"{broken} does not start" in run.stderr


def test_wrong_python_variable_is_reported_before_any_change(checkout: Checkout) -> None:
    run = checkout.run_setup(PYTHON="/nowhere/python")
    assert run.returncode == 1
    assert "PYTHON is set to /nowhere/python" in run.stderr
    assert not (checkout.folder / ".venv").exists()


def test_missing_python_is_reported_with_what_to_install(checkout: Checkout, tmp_path: Path) -> None:
    commands = tmp_path / "bin"
    commands.mkdir()
    for name in ("python3.13", "python3.12", "python3.11", "python3.10", "python3"):
        # A Python before 3.10 exits like this when the script checks its version.
        (commands / name).write_text("#!/bin/sh\nexit 1\n")
        (commands / name).chmod(0o755)
    run = checkout.run_setup(PYTHON="", PATH=f"{commands}:{os.environ['PATH']}")
    assert run.returncode == 1
    assert "no Python >=3.10" in run.stderr
    assert "apt-get install python3 python3-venv" in run.stderr
    assert not (checkout.folder / ".venv").exists()


def test_unknown_argument_is_a_usage_error(checkout: Checkout) -> None:
    run = checkout.run_setup("--safari")
    assert run.returncode == 2
    assert "unknown argument --safari" in run.stderr
    assert "Usage: scripts/setup" in run.stderr


def test_help_names_options_and_variables(checkout: Checkout) -> None:
    run = checkout.run_setup("--help")
    assert run.returncode == 0
    for word in ("--firefox", "--webkit", "PYTHON", "CHROMIUM", "FIREFOX", "WEBKIT"):
        assert word in run.stdout
