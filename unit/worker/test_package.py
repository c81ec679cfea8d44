"""The npm package without a browser: what it contains, its options, and that importing it does nothing.

Not covered: the types and bundled builds, which `e2e/client/test_npm_package.py` checks.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from unit.support.wheel import CHECKOUT

WORKER = CHECKOUT / "worker"
MANIFEST = json.loads((WORKER / "package.json").read_text(encoding="utf-8"))
DOCUMENT = (CHECKOUT / "docs" / "worker.md").read_text(encoding="utf-8")
PACKED_FOLDER = "./dist/"

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")

# JavaScript of options that serveTabs and the client refuse, and the option that the message must name.
WRONG = [
    ("null", "options"),
    ("{ flushIntervalMs: 0 }", "flushIntervalMs"),
    ("{ flushIntervalMs: 999 }", "flushIntervalMs"),
    ("{ flushIntervalMs: 2 ** 31 }", "flushIntervalMs"),
    ("{ flushIntervalMs: Infinity }", "flushIntervalMs"),
    ("{ flushIntervalMs: NaN }", "flushIntervalMs"),
    ("{ flushIntervalMs: '30000' }", "flushIntervalMs"),
    ("{ flushIntervalMs: null }", "flushIntervalMs"),
    ("{ maxBatchRecords: 0 }", "maxBatchRecords"),
    ("{ maxBatchBytes: -1 }", "maxBatchBytes"),
    ("{ maxQueuedRecords: 1.5 }", "maxQueuedRecords"),
    ("{ maxQueuedBytes: Infinity }", "maxQueuedBytes"),
    ("{ maxRecordBytes: 1n }", "maxRecordBytes"),
    ("{ maxWaitingEvents: [1] }", "maxWaitingEvents"),
    ("{ endpoint: '' }", "endpoint"),
    ("{ endpoint: 'api/telemetry' }", "endpoint"),
    ("{ endpoint: '../api/telemetry' }", "endpoint"),
    ("{ endpoint: 'javascript:alert(1)' }", "endpoint"),
    ("{ endpoint: new URL('blob:https://app.test/1') }", "endpoint"),
    ("{ endpoint: 'https://' }", "endpoint"),
    ("{ endpoint: Symbol('x') }", "endpoint"),
    ("{ endpoint: Object.create(null) }", "endpoint"),
    ("{ consentKey: '' }", "consentKey"),
    ("{ installationIdKey: 7 }", "installationIdKey"),
    ("{ consentKey: 'a', installationIdKey: 'a' }", "installationIdKey"),
    ("{ consentKey: 'mlflow-telemetry-installation-id' }", "consentKey"),
    ("{ flushInterval: 30000 }", "flushInterval"),
]
VALID = [
    "{}",
    "{ flushIntervalMs: 1000, maxBatchRecords: 1, maxBatchBytes: 1, maxQueuedRecords: 1, maxQueuedBytes: 1 }",
    "{ flushIntervalMs: 2 ** 31 - 1, maxRecordBytes: 1, maxWaitingEvents: 1 }",
    "{ endpoint: '/api/telemetry?app=1' }",
    "{ endpoint: 'https://collect.test/t' }",
    "{ endpoint: new URL('http://localhost:8080/t') }",
    "{ consentKey: 'consent', installationIdKey: 'id' }",
    "{ endpoint: undefined, flushIntervalMs: undefined, consentKey: undefined }",
    "{ type: 'module', onStateChange() {} }",
]
WRONG_SOURCES = [
    "{ endpoint: '/t' }",
    "{ workerUrl: '/w.js', createWorker() {}, endpoint: '/t' }",
    "{ createWorker: '/w.js', endpoint: '/t' }",
    "{ createWorker() {} }",
    "{ createWorker() {}, endpoint: undefined }",
]


def run_module(script: str) -> Any:
    """Run a module in Node.js, in the worker's folder, and return what it prints, parsed as JSON."""
    result = subprocess.run(
        ["node", "--input-type=module", "--eval", script],
        cwd=WORKER,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def collect_errors(module: str, function: str, expressions: list[str]) -> list[str | None]:
    """Call a function of a module with each JavaScript expression; return its errors, None for no error."""
    values = ", ".join(f"() => ({expression})" for expression in expressions)
    errors = run_module(f"""
        const {{ {function}: call }} = await import("./{module}");
        const errors = [];
        for (const getValue of [{values}]) {{
          let text = null;
          try {{ call(getValue()); }} catch (error) {{ text = `${{error.name}}: ${{error.message}}`; }}
          errors.push(text);
        }}
        console.log(JSON.stringify(errors));
    """)
    assert isinstance(errors, list)
    return errors


def test_wrong_options_are_refused_by_name() -> None:
    errors = collect_errors("check-options.js", "checkOptions", [options for options, _ in WRONG])
    for (options, name), error in zip(WRONG, errors, strict=True):
        assert error is not None, options
        assert re.match(rf"(Type|Range)Error: telemetry: .*\b{name}\b", error), (options, error)


def test_valid_options_are_accepted() -> None:
    assert collect_errors("check-options.js", "checkOptions", VALID) == [None] * len(VALID)


def test_client_needs_one_source_of_its_worker() -> None:
    errors = collect_errors("index.js", "createTelemetryClient", WRONG_SOURCES)
    assert all(error and error.startswith("TypeError: telemetry: ") for error in errors), errors


def test_options_that_are_undefined_have_their_defaults() -> None:
    resolved = run_module("""
        import { checkOptions } from "./check-options.js";
        import { resolveOptions } from "./options.js";
        const resolve = (options) => resolveOptions(checkOptions(options), "https://app.test/a/static/w.js");
        const names = Object.keys(resolve({}));
        const undefinedOptions = Object.fromEntries(names.map((name) => [name, undefined]));
        console.log(JSON.stringify([resolve({}), resolve(undefinedOptions)]));
    """)
    assert resolved[0] == resolved[1]
    assert resolved[0]["endpoint"] == "https://app.test/a/ajax-api/3.0/mlflow/ui-telemetry"


def test_document_names_every_option_with_its_default() -> None:
    defaults = run_module("""
        import { resolveOptions } from "./options.js";
        console.log(JSON.stringify(resolveOptions({}, "https://app.test/static/w.js")));
    """)
    del defaults["endpoint"]  # A rule rather than a value.
    documented: dict[str, str] = {}
    for names, values in re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| ([^|]+) \|", DOCUMENT, re.MULTILINE):
        listed = values.replace("`", "").split(", ")
        documented |= dict(zip(re.findall(r"\w+", names), listed, strict=False))
    assert {name: documented.get(name) for name in defaults} == {
        name: str(value) for name, value in defaults.items()
    }


def test_endpoint_is_the_same_for_page_and_worker() -> None:
    endpoints = run_module("""
        import { resolveOptions } from "./options.js";
        globalThis.origin = "https://app.test";
        const urls = ["https://app.test/deep/page.html", "https://app.test/assets/w.js"];
        console.log(JSON.stringify(urls.map((url) => resolveOptions({ endpoint: "/t" }, url).endpoint)));
    """)
    assert endpoints == ["https://app.test/t"] * 2


@pytest.mark.parametrize("module", ["index.js", "serve-tabs.js"])
def test_import_has_no_effect_in_node(module: str) -> None:
    before, after = run_module(f"""
        const getNames = () => Object.getOwnPropertyNames(globalThis).sort();
        const before = getNames();
        await import("./{module}");
        console.log(JSON.stringify([before, getNames()]));
    """)
    assert before == after


def test_client_without_a_page_is_off() -> None:
    values = run_module("""
        import { createTelemetryClient } from "./index.js";
        const client = createTelemetryClient({ workerUrl: "/w.js" });
        client.optOut();
        client.optIn();
        const isLogged = client.logEvent({ componentId: "x" });
        console.log(JSON.stringify([client.isEnabled(), client.state(), isLogged]));
    """)
    assert values == [False, "off", False]


def test_every_export_is_in_the_repository_or_packed() -> None:
    targets = [
        target
        for export in MANIFEST["exports"].values()
        for target in (export.values() if isinstance(export, dict) else [export])
    ]
    for target in targets:
        source = re.sub(r"^\./dist/(types/)?(.*?)(\.d\.ts|\.js)$", r"./\2.js", target)
        assert (WORKER / source).is_file(), target


def test_modules_with_effects_are_marked() -> None:
    sources = {path.name: path.read_text(encoding="utf-8") for path in WORKER.glob("*.js")}
    with_effects = {
        f"./{name}"
        for name, text in sources.items()
        if not re.search(r"^export |^/\*\* @typedef", text, re.MULTILINE)
    }
    marked = set(MANIFEST["sideEffects"])
    assert {name.replace(PACKED_FOLDER, "./") for name in marked} == with_effects


def test_version_and_license_are_those_of_the_project() -> None:
    project = (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")
    (version,) = re.findall(r'^version = "(.+)"$', project, re.MULTILINE)
    (license_name,) = re.findall(r'^license = "(.+)"$', project, re.MULTILINE)
    assert (MANIFEST["version"], MANIFEST["license"]) == (version, license_name)
    assert (WORKER / "LICENSE").read_bytes() == (CHECKOUT / "LICENSE").read_bytes()


def test_examples_of_the_readme_are_those_of_the_document() -> None:
    blocks = re.compile(r"^```(?:js|ts)\n// (?:src/)?([\w.-]+)\n\n?(.*?)^```", re.MULTILINE | re.DOTALL)
    readme = dict(blocks.findall((WORKER / "README.md").read_text(encoding="utf-8")))
    documented = dict(blocks.findall(DOCUMENT))

    def strip_types(text: str) -> str:
        text = re.sub(r"^import type .*\n\n?", "", text, flags=re.MULTILINE)
        text = text.replace(" satisfies TelemetryOptions", "").replace(".worker.ts", ".worker.js")
        return text.replace('"./telemetry-options"', '"./telemetry-options.js"')

    for name in ("telemetry-options", "telemetry.worker", "telemetry"):
        assert readme[f"{name}.js"] == strip_types(documented[f"{name}.ts"])


def test_no_file_of_the_package_names_a_registry() -> None:
    assert not list(WORKER.glob("package-lock.json"))
    assert "publishConfig" not in MANIFEST


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Return the names of the files that npm packs, without running the scripts that make the others."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed: it comes with Node.js")
    command = ["npm", "pack", "--dry-run", "--json", "--ignore-scripts"]
    result = subprocess.run(command, cwd=WORKER, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    return {file["path"] for file in json.loads(result.stdout)[0]["files"]}


def test_package_contains_the_modules_and_nothing_else(packed: set[str]) -> None:
    committed = {name for name in packed if not name.startswith("dist/")}
    modules = {path.name for path in WORKER.glob("*.js")} - {"telemetry.bundle.js"}
    assert committed == modules | {"LICENSE", "README.md", "package.json"}


def test_package_files_script_is_executable() -> None:
    script = Path(WORKER, MANIFEST["scripts"]["prepack"])
    assert script.resolve() == CHECKOUT / "scripts" / "package-files"
    assert script.stat().st_mode & 0o100
