"""The documentation names what a user can name: options, fixtures, keys, endpoints, codes, commands.

A name counts where it stands as code in the text of a page. Not covered: that what is said about it is true.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import msgspec
import pytest

import e2e.conformance.report.plugin
import pytest_sharedworker
from e2e.conformance import cli_options, selection
from e2e.conformance.targets import server, worker
from pytest_sharedworker import Toxic, plugin
from pytest_sharedworker.browsers import launch_options
from reference_server.__main__ import COMMANDS
from reference_server.api.metrics import Metrics
from reference_server.api.routes import UNKNOWN, build_routes
from reference_server.middleware.error_responses import CODES_BY_STATUS

CHECKOUT = Path(__file__).resolve().parents[2]
README = CHECKOUT / "README.md"
API = CHECKOUT / "docs" / "api.md"
COMMANDS_PAGE = CHECKOUT / "docs" / "commands.md"
OPERATING = CHECKOUT / "docs" / "operating.md"
KEYS = CHECKOUT / "docs" / "how-to" / "own-implementation.md"

CODE = re.compile(r"`([^`\n]+)`")
WORD = re.compile(r"(?<![\w.-])-{0,2}\w[\w.-]*")


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def find_names(page: Path) -> set[str]:
    """Return the words that the text of this page has as code."""
    return {word for code in CODE.findall(read(page)) for word in WORD.findall(code)}


class Recorder:
    """Stands in for pytest's parser and notes options and ini keys."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def getgroup(self, *_: object) -> Recorder:
        return self

    def addoption(self, *names: str, **_: object) -> None:
        self.names.extend(names)

    def addini(self, name: str, *_: object, **__: object) -> None:
        self.names.append(name)


def list_pytest_options() -> list[str]:
    recorder = Recorder()
    plugin.pytest_addoption(cast(Any, recorder))
    selection.add_options(cast(Any, recorder))
    return recorder.names


def list_options(parser: argparse.ArgumentParser) -> list[str]:
    names = [name for action in parser._actions for name in action.option_strings]
    return [name for name in names if name not in ("-h", "--help")]


def list_markers(module: ModuleType) -> list[str]:
    """Return the markers that a module registers, by the text that it gives to pytest."""
    source = read(Path(str(module.__file__)))
    texts = re.findall(r'addinivalue_line\(\s*"markers",\s*(f?"[^"]*"|\w+)', source)
    return [re.split(r"[(:]", eval(text, vars(module)))[0] for text in texts]


def list_fixtures() -> list[str]:
    return [
        name
        for module in (plugin, launch_options)
        for name, value in vars(module).items()
        if type(value).__name__ == "FixtureFunctionDefinition" and not name.startswith("_")
    ]


def list_keys(table: type[msgspec.Struct], prefix: str = "") -> Iterator[str]:
    """Return the keys of a TOML file by their dotted paths."""
    for field in msgspec.structs.fields(table):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            yield from list_keys(field.type, f"{prefix}{field.encode_name}.")
        else:
            yield f"{prefix}{field.encode_name}"


def list_endpoints() -> set[str]:
    paths = [route.path for route in build_routes("") if route.kwargs.get("name") != UNKNOWN]
    return {path.replace("{name}", "") for path in paths}


def list_error_codes() -> set[str]:
    sources = [read(path) for path in (CHECKOUT / "reference_server").rglob("*.py")]
    given = [re.findall(r'(?:WireError\(\s*\d+,\s*|_unavailable_error\()"(\w+)"', text) for text in sources]
    return {*CODES_BY_STATUS.values(), *(code for codes in given for code in codes)}


def list_metrics() -> list[str]:
    families = list(Metrics(cast(Any, None), cast(Any, None))._registry.collect())
    return [f"{each.name}_total" if each.type == "counter" else each.name for each in families]


def list_scripts() -> set[str]:
    files = (CHECKOUT / "scripts").iterdir()
    return {f"scripts/{path.name}" for path in files if path.is_file() and os.access(path, os.X_OK)}


@pytest.mark.parametrize("name", list_pytest_options())
def test_pytest_option_is_documented(name: str) -> None:
    assert name in find_names(API) | find_names(COMMANDS_PAGE)


@pytest.mark.parametrize("name", list_options(cli_options.parser()))
def test_option_of_verify_is_documented(name: str) -> None:
    assert name in find_names(COMMANDS_PAGE)


@pytest.mark.parametrize("command", COMMANDS)
def test_options_of_the_server_are_documented(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        COMMANDS[command](["--help"])
    options = set(re.findall(r"^  (--[a-z-]+)", capsys.readouterr().out, re.MULTILINE))
    assert options
    assert options - find_names(OPERATING) == set()


@pytest.mark.parametrize("name", [*list_markers(plugin), *list_markers(e2e.conformance.report.plugin)])
def test_marker_is_documented(name: str) -> None:
    assert name in find_names(API) | find_names(COMMANDS_PAGE)


@pytest.mark.parametrize("name", list_fixtures())
def test_fixture_is_documented(name: str) -> None:
    assert name in find_names(API)


def test_public_names_are_those_of_the_reference() -> None:
    names = re.findall(r"^::: pytest_sharedworker\.(\w+)$", read(API), re.MULTILINE)
    assert sorted(names) == sorted(pytest_sharedworker.__all__)


def test_every_toxic_is_in_the_sections_of_toxics() -> None:
    section = read(API).split("\n## Toxics\n")[1].split("\n## ")[0]
    assert {each.__name__ for each in Toxic.kinds.values()} <= set(re.findall(r"\.(\w+)$", section, re.M))


@pytest.mark.parametrize("key", sorted({*list_keys(worker._WorkerFile), *list_keys(server._ServerFile)}))
def test_key_of_an_implementation_is_documented(key: str) -> None:
    assert key in find_names(KEYS)


def test_endpoints_of_the_server_are_documented() -> None:
    assert list_endpoints() - set(CODE.findall(read(README))) == set()


def test_error_codes_of_the_server_are_documented() -> None:
    rows = re.findall(r"^\| [45]\d\d[\d, ]* \|.*$", read(OPERATING), re.MULTILINE)
    assert {code for row in rows for code in re.findall(r"`([a-z_]+_?[a-z]+)`", row)} >= list_error_codes()


@pytest.mark.parametrize("name", list_metrics())
def test_metric_is_documented(name: str) -> None:
    assert name in find_names(OPERATING)


def test_each_command_is_documented_with_its_exit_status() -> None:
    rows = re.findall(r"^\| `(scripts/[\w-]+)` \| ([^|]+) \| ([^|]+) \|$", read(COMMANDS_PAGE), re.MULTILINE)
    assert {name for name, _, _ in rows} == list_scripts()
    assert all(good.strip() and bad.strip() for _, good, bad in rows)


def test_lists_find_something() -> None:
    assert {"--worker-clock", "--strict-toxics", "--rollout-samples"} <= set(list_pytest_options())
    assert list_markers(plugin) == ["virtual_tabs", "gateway_proxy", "worker_clock"]
    assert list_markers(e2e.conformance.report.plugin) == ["case"]
    assert {"gateway", "worker_clock", "new_context"} <= set(list_fixtures())
    assert {"worker.script", "protocol.endpoint", "only_cases"} <= set(list_keys(worker._WorkerFile))
    assert {"overloaded", "store_unavailable", "cross_origin", "not_found"} <= list_error_codes()
    assert {"telemetry_requests_total", "telemetry_commit_seconds"} <= set(list_metrics())
    assert {"/", "/ready", "/static-files/"} <= list_endpoints()
