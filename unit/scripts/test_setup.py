"""scripts/setup on a stand-in project: what it makes, keeps, makes anew, and says when it cannot.

The stand-in has no dependencies and builds itself, so that the real venv and pip run without a
network; its browser is a file that tells a version. Not covered: installing a browser, which
changes the machine, and the real project's dependencies.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SECOND_RUN_LIMIT_SECONDS = 2.0

PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""

# The smallest build backend that pip accepts for an editable installation with an extra.
BACKEND = """
import pathlib
import zipfile

METADATA = "Metadata-Version: 2.1\\nName: stand-in\\nVersion: 1.0\\nProvides-Extra: checkout\\n"
WHEEL = "Wheel-Version: 1.0\\nGenerator: stand-in\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    name = "stand_in-1.0-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(wheel_directory, name), "w") as wheel:
        wheel.writestr("stand_in_was_installed.py", "")
        wheel.writestr("stand_in-1.0.dist-info/METADATA", METADATA)
        wheel.writestr("stand_in-1.0.dist-info/WHEEL", WHEEL)
        wheel.writestr("stand_in-1.0.dist-info/RECORD", "")
    return name
"""


class Checkout:
    """The stand-in project and the ways a test runs scripts/setup in it."""

    def __init__(self, folder: Path) -> None:
        # The space in the name stands for all folders that a shell script may trip over.
        self.folder = folder / "a checkout"
        (self.folder / "scripts").mkdir(parents=True)
        shutil.copy(ROOT / "scripts" / "setup", self.folder / "scripts" / "setup")
        (self.folder / "pytest_sharedworker" / "browsers").mkdir(parents=True)
        for module in ("__init__.py", "errors.py", "browsers/__init__.py", "browsers/discovery.py"):
            shutil.copy(ROOT / "pytest_sharedworker" / module, self.folder / "pytest_sharedworker" / module)
        (self.folder / "pyproject.toml").write_text(PYPROJECT)
        (self.folder / "backend.py").write_text(BACKEND)
        (self.folder / "constraints.txt").write_text("")
        self.browser = folder / "browser"
        self.browser.write_text("#!/bin/sh\necho Stand-in Browser 1.2.3\n")
        self.browser.chmod(0o755)
        self.keepsake = self.folder / ".venv" / "keepsake"

    def environment(self, **changes: str) -> dict[str, str]:
        isolated = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
        browsers = {"CHROMIUM": str(self.browser), "FIREFOX": str(self.browser)}
        return {**os.environ, **isolated, **browsers, "PYTHON": sys.executable, **changes}

    def setup(self, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.folder / "scripts" / "setup", *arguments],
            env=self.environment(**changes),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    def interrupt_setup_at(self, words: str, **changes: str) -> str:
        """Press Ctrl-C as soon as scripts/setup says the words; give all that it said."""
        command = [self.folder / "scripts" / "setup"]
        environment = self.environment(**changes)
        with subprocess.Popen(
            command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
        ) as run:
            assert run.stderr is not None
            said = ""
            while words not in said:
                line = run.stderr.readline()
                assert line, f"it ended without {words!r}, having said:\n{said}"
                said += line
            os.killpg(run.pid, signal.SIGINT)
            said += run.stderr.read()
        assert run.returncode == 130
        assert "interrupted" in said
        return said

    def make_environment_by_hand(self) -> None:
        """Make a .venv that scripts/setup did not make, quickly: with the pip of the Python behind it."""
        base = Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
        options = ["--without-pip", "--system-site-packages"]
        subprocess.run([base, "-m", "venv", *options, self.folder / ".venv"], check=True)
        self.keepsake.touch()

    def is_whole(self) -> bool:
        """Whether what was to be installed can be imported by the Python in .venv."""
        python = self.folder / ".venv" / "bin" / "python"
        return subprocess.run([python, "-c", "import stand_in_was_installed"]).returncode == 0


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A checkout in which nothing was set up yet."""
    return Checkout(tmp_path)


@pytest.fixture(scope="module")
def shared_checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    checkout = Checkout(tmp_path_factory.mktemp("setup"))
    checkout.make_environment_by_hand()
    run = checkout.setup()
    assert run.returncode == 0, run.stderr
    return checkout


@pytest.fixture
def ready_checkout(shared_checkout: Checkout) -> Iterator[Checkout]:
    """A checkout that is set up, with a file in .venv that goes when .venv is made anew."""
    yield shared_checkout
    assert shared_checkout.setup().returncode == 0


def test_a_first_run_installs_and_says_what_it_does(checkout: Checkout) -> None:
    run = checkout.setup()
    assert run.returncode == 0, run.stderr
    assert checkout.is_whole()
    assert "creating .venv with Python 3." in run.stderr
    assert "dependencies installed in" in run.stderr
    assert run.stdout.startswith("setup: ready (Python 3.")
    assert run.stdout.endswith(", Stand-in Browser 1.2.3)\n")


def test_a_second_run_does_nothing_and_is_quick(ready_checkout: Checkout) -> None:
    started = time.monotonic()
    run = ready_checkout.setup()
    assert time.monotonic() - started < SECOND_RUN_LIMIT_SECONDS
    assert run.returncode == 0
    assert run.stderr == ""
    assert ready_checkout.keepsake.exists()


def test_firefox_is_looked_for_on_request(ready_checkout: Checkout) -> None:
    assert ready_checkout.setup("--firefox").stdout.count("Stand-in Browser") == 2
    run = ready_checkout.setup("--firefox", FIREFOX="/nowhere/firefox")
    assert run.returncode == 1
    assert "FIREFOX is set to '/nowhere/firefox'" in run.stderr


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_a_change_of_the_dependencies_installs_again_into_the_same_place(
    ready_checkout: Checkout, name: str
) -> None:
    with (ready_checkout.folder / name).open("a") as file:
        file.write("# changed\n")
    run = ready_checkout.setup()
    assert run.returncode == 0, run.stderr
    assert "dependencies installed in" in run.stderr
    assert ready_checkout.keepsake.exists()


def test_an_interrupted_run_is_not_taken_for_a_whole_one(checkout: Checkout) -> None:
    checkout.make_environment_by_hand()
    checkout.interrupt_setup_at("installing the dependencies", PYTHON="")
    assert checkout.keepsake.exists()

    run = checkout.setup(PYTHON=sys.executable)
    assert run.returncode == 0, run.stderr
    assert "creating .venv" in run.stderr
    assert not checkout.keepsake.exists()
    assert checkout.is_whole()


def test_an_environment_made_in_another_folder_is_made_anew(checkout: Checkout) -> None:
    checkout.make_environment_by_hand()
    (checkout.folder / ".venv" / ".setup-stamp").write_text("checkout /elsewhere\npython 3\ndependencies 0\n")
    # Without the variable it is the Python of the environment itself that has to make the next one.
    said = checkout.interrupt_setup_at("installing the dependencies", PYTHON="")
    assert "making it anew" in said
    assert not checkout.keepsake.exists()
    assert (checkout.folder / ".venv" / "bin" / "pip").exists()


def test_a_failed_installation_shows_what_pip_said(checkout: Checkout) -> None:
    checkout.make_environment_by_hand()
    (checkout.folder / "constraints.txt").write_text("this is no requirement\n")
    run = checkout.setup()
    assert run.returncode == 1
    assert "this is no requirement" in run.stderr
    assert "pip could not install the dependencies" in run.stderr
    assert "run scripts/setup again" in run.stderr
    assert not (checkout.folder / ".venv" / ".setup-stamp").exists()


def test_an_environment_that_does_not_fit_and_is_someone_elses_is_left_alone(checkout: Checkout) -> None:
    own = checkout.folder / ".venv" / "pyvenv.cfg"
    own.parent.mkdir()
    own.write_text("made by hand")
    run = checkout.setup()
    assert run.returncode == 1
    assert "mv .venv .venv-old" in run.stderr
    assert own.read_text() == "made by hand"


def test_a_wrong_browser_variable_is_said_and_not_worked_around(ready_checkout: Checkout) -> None:
    run = ready_checkout.setup(CHROMIUM="/nowhere/chromium")
    assert run.returncode == 1
    assert "CHROMIUM is set to '/nowhere/chromium'" in run.stderr
    assert "download" not in run.stderr


def test_a_browser_that_does_not_start_is_said(ready_checkout: Checkout, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho a library is missing >&2\nexit 127\n")
    broken.chmod(0o755)
    run = ready_checkout.setup(CHROMIUM=str(broken))
    assert run.returncode == 1
    assert "a library is missing" in run.stderr
    assert f"{broken} does not start" in run.stderr


def test_a_wrong_python_variable_is_said_before_anything_is_made(checkout: Checkout) -> None:
    run = checkout.setup(PYTHON="/nowhere/python")
    assert run.returncode == 1
    assert "PYTHON is set to /nowhere/python" in run.stderr
    assert not (checkout.folder / ".venv").exists()


def test_without_a_suitable_python_the_message_says_what_to_install(
    checkout: Checkout, tmp_path: Path
) -> None:
    commands = tmp_path / "bin"
    commands.mkdir()
    for name in ("python3.13", "python3.12", "python3.11", "python3.10", "python3"):
        # This is how a Python before 3.10 answers the question for its version.
        (commands / name).write_text("#!/bin/sh\nexit 1\n")
        (commands / name).chmod(0o755)
    run = checkout.setup(PYTHON="", PATH=f"{commands}:{os.environ['PATH']}")
    assert run.returncode == 1
    assert "no Python >=3.10" in run.stderr
    assert "apt-get install python3 python3-venv" in run.stderr
    assert not (checkout.folder / ".venv").exists()


def test_an_unknown_argument_is_wrong_use(checkout: Checkout) -> None:
    run = checkout.setup("--safari")
    assert run.returncode == 2
    assert "unknown argument --safari" in run.stderr
    assert "Usage: scripts/setup" in run.stderr


def test_help_names_the_options_and_variables(checkout: Checkout) -> None:
    run = checkout.setup("--help")
    assert run.returncode == 0
    for word in ("--firefox", "PYTHON", "CHROMIUM", "FIREFOX"):
        assert word in run.stdout
