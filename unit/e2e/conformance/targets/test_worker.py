"""Loading workers: the known ones, another project's, and the errors of a wrong TOML file.

The download of a shipped worker has its own test, of its script.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from e2e.conformance.targets import worker as module
from e2e.conformance.targets.toml_file import load_toml
from e2e.conformance.targets.worker import (
    ImplementationError,
    Protocol,
    get_known_workers,
    load_implementation,
)

MINIMAL = 'name = "mine"\n[worker]\nscript = "worker.js"\ntype = "classic"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "worker.js").write_text("// a worker\n")
    return tmp_path


def write_toml(folder: Path, text: str) -> str:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_reference_is_a_module_worker_with_its_siblings() -> None:
    reference = load_implementation("reference")
    assert reference.worker.script.is_file()
    assert reference.worker.directory == reference.worker.script.parent
    assert (reference.worker.type, reference.worker.name) == ("module", "telemetry-worker")


def test_known_worker_is_named_after_its_file() -> None:
    assert {"reference", "mlflow-3.8.0", "mlflow-3.18.0"} <= set(get_known_workers())
    for name in get_known_workers():
        assert load_toml(module.WORKERS / f"{name}.toml", dict[str, object])["name"] == name


def test_defaults_are_those_of_mlflow(folder: Path) -> None:
    loaded = load_implementation(write_toml(folder, MINIMAL))
    assert loaded.protocol == Protocol()
    assert loaded.protocol.flush_interval_ms == 30_000
    assert loaded.worker.static_path == "static-files"
    assert (loaded.worker.name, loaded.worker.directory) == ("mine", None)


def test_toml_can_set_every_key(folder: Path) -> None:
    spec = write_toml(
        folder,
        """
        name = "mine"
        description = "another project's worker"
        [worker]
        script = "*.js"
        type = "module"
        name = "their-worker"
        directory = "."
        static_path = "assets/js"
        [protocol]
        endpoint = "../collect"
        flush_interval_ms = 5000
        log_event = "EVENT"
        shutdown = "STOP"
        ready = "HELLO"
        [known_deviations]
        "flush/2/1" = "sends at once"
        """,
    )
    loaded = load_implementation(spec)
    assert loaded.worker.script == folder / "worker.js"
    assert loaded.worker.directory == folder
    assert (loaded.worker.name, loaded.worker.static_path) == ("their-worker", "assets/js")
    assert loaded.protocol == Protocol("../collect", 5000, "EVENT", "STOP", "HELLO")
    assert dict(loaded.known_deviations) == {"flush/2/1": "sends at once"}


def test_script_is_a_classic_worker_named_after_its_file(folder: Path) -> None:
    loaded = load_implementation(str(folder / "worker.js"))
    assert (loaded.name, loaded.worker.name, loaded.worker.type) == ("worker", "worker", "classic")
    assert loaded.protocol == Protocol()


def test_paths_are_relative_to_the_toml(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = write_toml(folder, MINIMAL)
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert load_implementation(spec).worker.script == folder / "worker.js"


def test_pattern_characters_in_a_folder_name_are_literal(folder: Path) -> None:
    odd = folder / "[a]*"
    odd.mkdir()
    shutil.copy(folder / "worker.js", odd)
    spec = write_toml(odd, MINIMAL.replace("worker.js", "work*.js"))
    assert load_implementation(spec).worker.script == odd / "worker.js"


def test_unknown_name_is_reported_with_the_known_ones() -> None:
    with pytest.raises(
        ImplementationError, match=r"no implementation is called 'absent'.*mlflow-3\.8\.0.*reference"
    ):
        load_implementation("absent")


@pytest.mark.parametrize("name", ["worker.ts", "worker.mts", "app.tsx", "*.worker.ts"])
def test_source_that_no_browser_runs_is_to_be_bundled(folder: Path, name: str) -> None:
    (folder / "worker.ts").write_text("const n: number = 1;")
    for spec in (str(folder / name), write_toml(folder, MINIMAL.replace("worker.js", name))):
        with pytest.raises(ImplementationError, match=r"browsers do not run .*: bundle it first"):
            load_implementation(spec)


@pytest.mark.parametrize("spec", ["missing.toml", "missing.js"])
def test_missing_file_is_named(spec: str) -> None:
    with pytest.raises(ImplementationError, match=f"{spec}: no such file"):
        load_implementation(spec)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "cannot be read as TOML"),
        (MINIMAL.replace("name", "nme"), "nme: is not known; expected one of .*, name, "),
        (MINIMAL.replace('name = "mine"', ""), "name: is missing"),
        (MINIMAL.replace('"mine"', "7"), "name: expected a text, not 7"),
        (MINIMAL.replace('"mine"', '" "'), "name: expected a text that is not empty, not ' '"),
        (MINIMAL.replace("mine", "a/b"), "name: expected printable text without a slash"),
        (MINIMAL.replace("mine", "a\\u0000"), "name: expected printable text"),
        ('name = "mine"\n', "worker: is missing"),
        ('name = "mine"\nworker = 1\n', "worker: expected a table, not 1"),
        (f'color = "red"\n{MINIMAL}', "color: is not known; expected one of description, known_deviations"),
        (
            f'{MINIMAL}color = "red"\n',
            "worker.color: is not known; expected one of directory, extended_name, name",
        ),
        (MINIMAL.replace('type = "classic"', ""), "worker.type: is missing"),
        (MINIMAL.replace("classic", "modul"), 'worker.type: expected "classic" or "module", not \'modul\''),
        (MINIMAL.replace('script = "worker.js"', ""), "worker.script: is missing"),
        (
            MINIMAL.replace("worker.js", "other.js"),
            "worker.script: expected a file, but 'other.js' does not exist",
        ),
        (
            MINIMAL.replace("worker.js", "*"),
            "worker.script: expected one file, but .* matches mine.toml, worker",
        ),
        (f'{MINIMAL}directory = "nowhere"\n', "worker.directory: expected a folder that the script is in"),
        (f'{MINIMAL}static_path = "../up"\n', "worker.static_path: expected a path of plain names"),
        (f'{MINIMAL}static_path = "/up"\n', "worker.static_path: expected a path of plain names"),
        (f'{MINIMAL}[protocol]\nendpoint = ""\n', "protocol.endpoint: expected a text that is not empty"),
        (
            f"{MINIMAL}[protocol]\nflush_interval_ms = true\n",
            "protocol.flush_interval_ms: expected a whole number, not True",
        ),
        (
            f"{MINIMAL}[protocol]\nflush_interval_ms = 0\n",
            "flush_interval_ms: expected a whole number >= 1, not 0",
        ),
        (
            f"{MINIMAL}[protocol]\nflush_interval_ms = 1.5\n",
            "flush_interval_ms: expected a whole number, not 1.5",
        ),
        (f"{MINIMAL}[protocol]\nflush_interval = 1\n", "protocol.flush_interval: is not known"),
        (f'{MINIMAL}[protocol]\nshutdown = "LOG_EVENT"\n', "protocol.shutdown: expected another word"),
        (f'{MINIMAL}[known_deviations]\nflush = "x"\n', "known_deviations.flush: expected a case id"),
        (f'{MINIMAL}[known_deviations]\n"flush/1/1" = ""\n', "known_deviations.flush/1/1: expected a text"),
    ],
)
def test_wrong_toml_is_reported_with_file_and_key(folder: Path, text: str, message: str) -> None:
    spec = write_toml(folder, text)
    with pytest.raises(ImplementationError, match=message) as caught:
        load_implementation(spec)
    assert str(caught.value).startswith(spec)


def test_invalid_utf8_is_refused(folder: Path) -> None:
    (folder / "mine.toml").write_bytes(b'name = "\xff"')
    with pytest.raises(ImplementationError, match="cannot be read as TOML"):
        load_implementation(str(folder / "mine.toml"))


class TestObtain:
    """A missing script is created by a command from the checkout's folder scripts/."""

    @pytest.fixture
    def checkout(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        (folder / "scripts").mkdir()
        monkeypatch.setattr(module, "CHECKOUT", folder)
        return folder

    def script(self, checkout: Path, body: str) -> None:
        path = checkout / "scripts" / "fetch"
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def spec(self, checkout: Path, command: str) -> str:
        return write_toml(checkout, f"obtain = '{command}'\n" + MINIMAL.replace("worker.js", "fetched.js"))

    def test_command_runs_once_and_is_announced(
        self, checkout: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.script(checkout, 'echo "// $1" >> "$2"')
        spec = self.spec(checkout, 'scripts/fetch "two words" fetched.js')
        for _ in range(2):
            assert load_implementation(spec).worker.script.read_text() == "// two words\n"
        assert capsys.readouterr().err.count("running scripts/fetch") == 1

    def test_command_runs_without_shell(self, checkout: Path) -> None:
        self.script(checkout, 'echo "// $*" > fetched.js')
        spec = self.spec(checkout, "scripts/fetch ; touch injected")
        assert load_implementation(spec).worker.script.read_text() == "// ; touch injected\n"
        assert not (checkout / "injected").exists()

    def test_failed_command_is_reported_with_its_output(self, checkout: Path) -> None:
        self.script(checkout, "echo no network >&2; exit 1")
        with pytest.raises(ImplementationError, match=r"obtain: .* ended with status 1:\nno network"):
            load_implementation(self.spec(checkout, "scripts/fetch"))

    def test_command_without_effect_is_reported(self, checkout: Path) -> None:
        self.script(checkout, "exit 0")
        with pytest.raises(ImplementationError, match="'scripts/fetch' ran and did not create it"):
            load_implementation(self.spec(checkout, "scripts/fetch"))

    @pytest.mark.parametrize(
        "command",
        ["touch fetched.js", "/bin/true", "scripts/../worker.js", "scripts/no", "scripts/", '"', "./x"],
    )
    def test_other_commands_are_refused(self, checkout: Path, command: str) -> None:
        with pytest.raises(ImplementationError, match="obtain: expected scripts/NAME of this checkout"):
            load_implementation(self.spec(checkout, command))
        assert not (checkout / "fetched.js").exists()
