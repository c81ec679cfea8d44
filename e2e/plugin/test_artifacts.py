"""The artifacts of a failed test: runs of a small project whose tests fail, in a real Chromium.

Not covered: Playwright's own artifacts.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

NAMES = ["clock.json", "journal.har", "journal.txt", "timeline.html", "timeline.txt", "worker-console.txt"]

CONFTEST = """
import pytest
from pytest_sharedworker.browsers.discovery import get_launch_arguments

WORKER = '''
console.log("first line");
const post = async () => {
    const response = await fetch("/data.json", { method: "POST", body: "[1]" });
    console.warn(`got ${response.status}`);
};
setInterval(post, 30000);
self.onconnect = ({ ports: [port] }) => port.start();
'''
PAGE = '<!doctype html><link rel=icon href=data:,><script>new SharedWorker("/worker.js", "poster")</script>'

@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    return {**get_launch_arguments("chromium"), **browser_type_launch_args}

@pytest.fixture
def worker(context, gateway, shared_workers, worker_clock):
    gateway.serve("/worker.js", WORKER)
    gateway.serve("/page.html", PAGE)
    gateway.serve("/data.json", '{"a": 1}')
    page = context.new_page()
    page.goto(gateway.url + "/page.html")
    return shared_workers.wait_for(name="poster")
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeconftest(CONFTEST)
    pytester.makeini("[pytest]\naddopts = -p no:cacheprovider\n")
    return pytester


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return project.runpytest_subprocess("--browser=chromium", *arguments, timeout=60)


def list_folders(project: pytest.Pytester) -> list[Path]:
    """Return the artifact folders of tests."""
    output = project.path / "test-results"
    return sorted(output.iterdir()) if output.exists() else []


@pytest.fixture
def failed(project: pytest.Pytester) -> tuple[pytest.RunResult, Path]:
    """Run a test that fails after a minute of virtual time; return the result and its folder."""
    project.makepyfile(
        test_app="""
        from pytest_sharedworker import HttpStatus

        def test_app_fails(worker, gateway):
            worker.clock.settle()
            with gateway.add_toxic(HttpStatus(503), on="POST **", times=1):
                worker.clock.run_for(30_000)
            worker.clock.run_for(31_500)
            worker.evaluate("() => { setTimeout(() => { throw new Error('late') }) }")
            worker.clock.settle()
            assert 0
        """
    )
    result = run(project)
    result.assert_outcomes(failed=1)
    (folder,) = list_folders(project)
    return result, folder


def test_failed_test_leaves_all_files_and_names_the_folder(
    failed: tuple[pytest.RunResult, Path],
) -> None:
    result, folder = failed
    assert folder.name == "test-app-py-test-app-fails-chromium"
    assert sorted(path.name for path in folder.iterdir()) == NAMES
    text = str(result.stdout)
    assert str(folder) in text
    assert "POST /data.json [1] → 503" in text
    assert "console log: first line" in text
    assert "worker 'poster': 61.500 s of virtual time have passed, the next timer is due at 90.000 s" in text

    archive = json.loads((folder / "journal.har").read_text())
    paths = [entry["request"]["url"].rpartition("/")[2] for entry in archive["log"]["entries"]]
    assert paths == ["page.html", "worker.js", "data.json", "data.json"]
    assert [page["title"] for page in archive["log"]["pages"]] == ["tab", "worker 'poster'"]
    assert len((folder / "journal.txt").read_text().splitlines()) == 4


def test_timeline_lists_all_events_in_order_of_time(failed: tuple[pytest.RunResult, Path]) -> None:
    text = (failed[1] / "timeline.txt").read_text()
    # Two lists: the clocks of gateway and worker may differ by less than the steps within each list.
    gateway_events = [
        "tab GET /page.html",
        "tab GET /worker.js",
        "gateway: toxic http_status status=503 on POST ** added",
        "30.000  #3 worker 'poster' POST /data.json [1]",
        "#3 → 503",
        "gateway: toxic http_status status=503 removed",
        "60.000  #4 worker 'poster' POST /data.json [1]",
        '#4 → 200 {"a": 1}',
    ]
    worker_events = [
        "worker 'poster' starts",
        "0.000  worker 'poster' console log: first line",
        "30.000  worker 'poster' console warning: got 503",
        "60.000  worker 'poster' console warning: got 200",
        "61.500  worker 'poster' uncaught Error: late",
    ]
    for part in (gateway_events, worker_events):
        places = [text.index(each) for each in part]
        assert places == sorted(places)
    seconds = [float(row.split()[0]) for row in text.splitlines()[1:] if not row.startswith(" " * 20)]
    assert len(seconds) >= len(gateway_events) + len(worker_events)
    assert seconds == sorted(seconds)


def test_console_and_clock_files_show_the_workers_state(failed: tuple[pytest.RunResult, Path]) -> None:
    console = (failed[1] / "worker-console.txt").read_text()
    assert "worker 'poster' http://127.0.0.1:" in console
    assert "alive)" in console
    assert console.index("console log: first line") < console.index("console warning: got 503")
    assert "uncaught Error: late" in console

    (state,) = json.loads((failed[1] / "clock.json").read_text()).values()
    assert (state["kind"], state["now"], state["closed"]) == ("virtual", 61_500, False)
    assert state["timers"] == [{"due": 90_000, "interval": 30_000}]
    assert state["pending"] == []
    assert state["date"].endswith("+00:00")


PAGE_THAT_THROWS = """<!doctype html><link rel=icon href=data:,><script>
    console.warn("careful", 7);
    console.log("\\u001b[2J", "\\n::error::injected");
    setTimeout(() => { throw new RangeError("far out"); });
</script>"""


@pytest.mark.parametrize("fixtures", ["page, gateway", "gateway, shared_workers, page"])
def test_console_and_errors_of_tabs_are_shown(project: pytest.Pytester, fixtures: str) -> None:
    project.makepyfile(
        f"""
        def test_page_throws({fixtures}):
            gateway.serve("/", {PAGE_THAT_THROWS!r})
            with page.expect_event("pageerror"):
                page.goto(gateway.url)
            assert 0
        """
    )
    result = run(project, "--tb=line")
    result.assert_outcomes(failed=1)
    (folder,) = list_folders(project)
    for text in (
        "\n".join(line.rstrip() for line in result.stdout.lines),
        (folder / "worker-console.txt").read_text(),
        (folder / "timeline.txt").read_text(),
    ):
        assert "tab / console warning: careful 7" in text
        assert "tab / uncaught RangeError: far out" in text
        assert r"console log: \x1b[2J" in text
        assert_has_no_effect(text)


def assert_has_no_effect(text: str) -> None:
    """Require that a text has neither terminal escapes nor commands of GitHub, but shows them."""
    assert r"\x3a:error::injected" in text
    assert "\x1b" not in text
    assert not [row for row in text.splitlines() if row.lstrip().startswith("::")]


def test_journal_and_console_are_shown_once(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_app="""
        def test_app_waits_in_vain(worker, gateway):
            gateway.journal.wait_for("/never.json", timeout=100)
        """
    )
    # On CI, the summary has the whole message again.
    output, _, _ = run(project).stdout.str().partition("short test summary info")
    assert output.count("The journal's last") == 1
    assert output.count("first line") == 1


def test_console_of_workers_has_no_effect_on_terminal_and_ci(project: pytest.Pytester) -> None:
    project.makepyfile(
        r"""
        def test_worker_injects(worker, gateway):
            worker.evaluate("() => console.log('\\x1b[2J', '\\n::error::injected')")
            worker.evaluate("() => { throw new Error('\\n::warning::also') }")
        """
    )
    result = run(project, "--tb=native")
    result.assert_outcomes(failed=1)
    text = "\n".join(result.stdout.lines)
    assert r"console log: \x1b[2J" in text
    assert r"\x3a:warning::also" in text
    assert_has_no_effect(text)


def test_timeline_has_messages_of_web_sockets_and_moves_of_clocks(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        def test_socket(worker, gateway, worker_clock):
            gateway.route_web_socket("**/socket", lambda s: s.on_message(lambda text: s.send(text * 2)))
            worker.evaluate('''() => new Promise((resolve) => {
                const socket = new WebSocket(`ws://${location.host}/socket`);
                socket.onopen = () => socket.send("ping");
                socket.onmessage = () => resolve();
            })''')
            worker_clock.run_for("00:20")
            worker.clock.run_for(1_500)
            worker.clock.fast_forward(10)
            worker_clock.set_system_time("2026-01-01T00:00:00Z")
            assert 0
        """
    )
    run(project).assert_outcomes(failed=1)
    (folder,) = list_folders(project)
    text = (folder / "timeline.txt").read_text()
    places = [
        text.index(each)
        for each in (
            "→ server: ping",
            "server → worker 'poster': pingping",
            "0.000  worker_clock.run_for(20_000)",
            "the worker 'poster': clock.run_for(1_500)",
            "the worker 'poster': clock.fast_forward(10)",
            "20.000  worker_clock.set_system_time(2026-01-01T00:00:00+00:00)",
        )
    ]
    assert places == sorted(places)


def test_only_unexpectedly_failed_tests_leave_files(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        def test_passes(gateway): pass

        @pytest.mark.xfail
        def test_expected(gateway): assert 0

        def test_skips(gateway): pytest.skip()

        def test_without_gateway(): assert 0

        @pytest.fixture
        def failing(gateway): assert 0

        def test_setup(failing): pass
        """
    )
    run(project).assert_outcomes(passed=1, xfailed=1, skipped=1, failed=1, errors=1)
    (folder,) = list_folders(project)
    assert folder.name.endswith("-test-setup")


def test_worker_in_an_endless_loop_leaves_all_files(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        def test_stuck(context, gateway, shared_workers, worker_clock):
            gateway.serve("/stuck.js", "onconnect = ({ ports: [port] }) => { for (;;); }")
            gateway.serve("/page.html", "<script>new SharedWorker('/stuck.js')</script>")
            context.new_page().goto(gateway.url + "/page.html")
            shared_workers.wait_for()
            assert 0
        """
    )
    run(project).assert_outcomes(failed=1)
    (folder,) = list_folders(project)
    assert sorted(path.name for path in folder.iterdir()) == NAMES
    (state,) = json.loads((folder / "clock.json").read_text()).values()
    assert "waited 2 s" in state["error"]


def test_failing_route_handler_fails_the_test_and_leaves_files(
    project: pytest.Pytester,
) -> None:
    project.makepyfile(
        """
        import pytest

        def fail(route): raise LookupError("no such thing")

        def test_ignores_the_500(worker, gateway):
            gateway.route("POST **", fail)
            worker.clock.run_for(30_000)

        def test_fails_on_the_500(worker, gateway):
            gateway.route("POST **", fail)
            worker.clock.run_for(30_000)
            assert worker.console_messages()[-1].text == "got 200"

        @pytest.mark.xfail(raises=LookupError, strict=True)
        def test_expected(worker, gateway):
            gateway.route("POST **", fail)
            worker.clock.run_for(30_000)
        """
    )
    result = run(project)
    result.assert_outcomes(failed=2, xfailed=1)
    result.stdout.fnmatch_lines(["*LookupError: no such thing*", "*During handling of the above*"])
    assert len(list_folders(project)) == 2


def test_xdist_process_keeps_the_files_of_other_processes(project: pytest.Pytester) -> None:
    """The second test crashes its process; the process that replaces it used to empty the folder."""
    project.makepyfile(
        """
        import os

        def test_1_fails(gateway): assert 0

        def test_2_crashes(gateway): os._exit(1)

        def test_3_runs_in_a_new_process(gateway): pass
        """
    )
    (project.path / "test-results" / "earlier-run").mkdir(parents=True)
    result = run(project, "-n1", "--max-worker-restart=1")
    result.assert_outcomes(passed=1, failed=2)
    (folder,) = list_folders(project)
    assert sorted(path.name for path in folder.iterdir()) == NAMES
