"""Coverage of workers' scripts: runs of a small project in Chromium, each in another pytest process.

unit/pytest_sharedworker/coverage tests how counts become lines and reports.
"""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from pytest_sharedworker.coverage.report import COBERTURA_FILE, LCOV_FILE

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.usefixtures("needs_devtools")

WORKER = """\
const start = Date.now();
function boot(late) {
  if (late) {
    console.log("never at boot");
  }
  return start;
}
boot(false);
if (self.nothing) {
  boot(true);
}
onconnect = ({ ports: [port] }) => {
  port.onmessage = ({ data }) => {
    if (data === "first") {
      port.postMessage(1);
    } else {
      port.postMessage(2);
    }
  };
};
function never() {
  return 42;
}
"""
PROJECT = """
import pytest

WORKER = {worker!r}
PART = '''export const part = () => 1;
export const idle = () => {{
  return 2;
}};
'''
SEND = '''(message) => new Promise((resolve) => {{
    const {{ port }} = (self.worker ??= new SharedWorker("/js/counter.worker.js", {{ type: "{kind}" }}));
    port.onmessage = ({{ data }}) => resolve(data);
    port.postMessage(message);
}})'''


@pytest.fixture
def page(gateway, shared_workers, context):
    gateway.serve("/", "<title>a tab</title>", content_type="text/html")
    gateway.serve("/js/counter.worker.js", WORKER)
    gateway.serve("/js/part.js", PART)
    page = context.new_page()
    page.goto(gateway.url + "/")
    return page
"""


@pytest.fixture
def project(pytester: pytest.Pytester, browser_name: str) -> pytest.Pytester:
    pytester.makeini("[pytest]\naddopts = -p no:cacheprovider -p no:asyncio --installed-browser\n")
    return pytester


def write(project: pytest.Pytester, tests: str, *, worker: str = WORKER, kind: str = "classic") -> None:
    project.makepyfile(PROJECT.format(worker=worker, kind=kind) + tests)


def run(project: pytest.Pytester, *arguments: str) -> list[str]:
    result = project.runpytest_subprocess("--worker-coverage", *arguments, timeout=60)
    assert result.ret == pytest.ExitCode.OK
    rows = [line for line in result.outlines if line.startswith(("js/", "TOTAL"))]
    assert "ran before counting started" not in result.stdout.str()
    return [" ".join(row.split()) for row in rows]


def test_coverage_starts_at_the_first_line_on_every_clock(project: pytest.Pytester) -> None:
    write(project, "def test_send(page): assert page.evaluate(SEND, 'first') == 1\n")
    missing = "js/counter.worker.js 16 11 68 4, 10, 17, 21-22"
    assert run(project) == [missing]
    assert run(project, "--worker-clock", "real") == [missing]
    assert run(project, "--worker-clock", "devtools") == [missing]


def test_coverage_of_tests_is_added(project: pytest.Pytester) -> None:
    write(
        project,
        "def test_first(page): assert page.evaluate(SEND, 'first') == 1\n"
        "def test_second(page): assert page.evaluate(SEND, 'second') == 2\n",
    )
    assert run(project) == ["js/counter.worker.js 16 12 75 4, 10, 21-22"]


def test_coverage_of_processes_is_added_and_reported(project: pytest.Pytester) -> None:
    write(
        project,
        "def test_first(page): assert page.evaluate(SEND, 'first') == 1\n"
        "def test_second(page): assert page.evaluate(SEND, 'second') == 2\n",
    )
    folder = project.path / "reports"
    assert run(project, "-n", "2", f"--worker-coverage-report={folder}") == [
        "js/counter.worker.js 16 12 75 4, 10, 21-22"
    ]
    lcov = (folder / LCOV_FILE).read_text()
    assert "SF:js/counter.worker.js\n" in lcov
    assert "DA:4,0\n" in lcov
    assert "FNDA:0,never\n" in lcov
    assert "LF:16\nLH:12\n" in lcov
    lines = ElementTree.parse(folder / COBERTURA_FILE).findall(".//class/lines/line")
    assert [line.get("number") for line in lines if line.get("hits") == "0"] == ["4", "10", "21", "22"]


def test_coverage_of_a_module_includes_its_imports(project: pytest.Pytester) -> None:
    worker = (
        'import { part } from "./part.js";\nonconnect = ({ ports: [port] }) => port.postMessage(part());\n'
    )
    write(
        project,
        "def test_send(page): assert page.evaluate(SEND, 'first') == 1\n",
        worker=worker,
        kind="module",
    )
    assert run(project) == ["js/counter.worker.js 2 2 100", "js/part.js 3 2 66 3", "TOTAL 5 4 80"]


@pytest.mark.parametrize(
    "end",
    [
        "page.close()",
        "page.reload()",
        "page.context.close()",
        "shared_workers.wait_for().terminate()",
        "from pytest_sharedworker import crash; crash(page)",
    ],
)
def test_coverage_is_collected_before_the_worker_ends(project: pytest.Pytester, end: str) -> None:
    write(
        project,
        f"def test_send(page, shared_workers):\n    assert page.evaluate(SEND, 'second') == 2\n    {end}\n",
    )
    assert run(project) == ["js/counter.worker.js 16 11 68 4, 10, 15, 21-22"]


def test_browser_without_coverage_is_a_usage_error(project: pytest.Pytester) -> None:
    write(project, "def test_nothing(): pass\n")
    result = project.runpytest_subprocess("--worker-coverage", "--browser", "firefox")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --worker-coverage needs --browser chromium"])
