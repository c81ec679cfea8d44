"""The inspector as a person uses it: another pytest process is paused, and a page of this one acts on it.

Not covered: the window that `--headed` opens.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from e2e.plugin.app import App
from e2e.plugin.inspected_run import CONFTEST, Run, open_inspector, require_accessible
from pytest_sharedworker import SharedWorker
from pytest_sharedworker.browsers.capabilities import get_capabilities
from pytest_sharedworker.inspector.feed import MAX_EVENTS
from pytest_sharedworker.inspector.inspector import Inspector
from pytest_sharedworker.inspector.page import make_page
from pytest_sharedworker.integration.event_loop_thread import LoopThread

pytestmark = pytest.mark.usefixtures("needs_locators")

PAUSED_TEST = """
def test_survives_503(worker, gateway, shared_workers, worker_clock):
    worker_clock.run_for(30_000)
    posts = lambda: len(gateway.journal.select("POST **"))
    shared_workers.pause(actions={"Ring": lambda: "rung"}, watches={"posts": posts})
    assert [post.status for post in gateway.journal.select("POST **")] == [200, 503, 503]
    assert worker_clock.now == 91_000
"""


def test_person_steps_time_adds_a_toxic_and_resumes(
    browser: Browser, browser_name: str, tmp_path: Path, runs: list[Run]
) -> None:
    runs.append(run := Run(tmp_path, browser_name, PAUSED_TEST, "--worker-inspector"))
    with open_inspector(browser, run.url) as inspector:
        expect(inspector.get_by_role("status").first).to_contain_text("Paused: the test called pause()")
        events = inspector.get_by_role("listbox", name="Events")
        expect(inspector.get_by_label("Timers and what time waits for")).to_contain_text("timer in 30.000 s")
        expect(inspector.get_by_label("Of this test")).to_contain_text("posts1")
        inspector.get_by_role("button", name="Ring").click()
        expect(inspector.locator("#result")).to_have_text("rung")

        # What the app wrote is text, and the messages and the storage of the worker are there.
        expect(events).to_contain_text("port 1 → <img src=x onerror=alert(1)>")
        expect(events).to_contain_text('→ port 1 {"heard":"<img src=x')
        expect(events).to_contain_text("put in box/records <b>kept</b> 1")
        require_accessible(inspector)

        faults = inspector.get_by_label("Faults")
        faults.get_by_label("on", exact=True).fill("POST **/api")
        faults.get_by_label("status", exact=True).first.fill("503")
        faults.get_by_role("button", name="Add toxic").click()
        expect(inspector.get_by_label("Toxics")).to_contain_text("http_status status=503 on POST **/api")
        inspector.get_by_label("Until a request of").fill("POST **/api")
        inspector.get_by_role("button", name="Run").click()
        expect(inspector.get_by_label("Toxics")).to_contain_text("met 1 requests")
        expect(events).to_contain_text("→ 503 [http_status status=503]")

        # By keyboard: the first event, then the last one, then its details.
        inspector.get_by_label("Find").fill("503 [http_status")
        events.focus()
        inspector.keyboard.press("Home")
        expect(events.get_by_role("option", selected=True)).to_have_count(1)
        inspector.keyboard.press("Enter")
        details = inspector.get_by_label("Details")
        expect(details).to_be_focused()
        expect(details).to_contain_text("response of gateway")
        expect(details.get_by_label("toxics")).to_have_text("http_status status=503")
        inspector.get_by_label("Find").fill("")

        inspector.get_by_role("button", name="+30 s").click()
        inspector.get_by_role("button", name="+1 s").click()
        expect(inspector.locator("#clock")).to_have_text("virtual clock at 91.000 s")
        evaluate = inspector.get_by_label("Evaluate in worker 'poster'")
        evaluate.fill("({ name: self.name })")
        evaluate.press("Enter")
        expect(inspector.locator("output")).to_contain_text('"name": "poster"')
        evaluate.fill("nothing.at.all")
        evaluate.press("Enter")
        expect(inspector.locator("output")).to_contain_text("nothing is not defined")

        if get_capabilities(browser_name).can_crash_pages:
            inspector.get_by_role("button", name="Crash tab 1").click()
            expect(inspector.locator("#result")).to_have_text("tab 1 has crashed")
            expect(events).to_contain_text("crashes")
        inspector.reload()  # The page has no state of its own.
        expect(events).to_contain_text("→ 503 [http_status status=503]")
        resume = inspector.get_by_role("button", name="Resume the test")
        resume.click()
        # With the option each test is paused at its end, too.
        expect(inspector.get_by_role("status").first).to_contain_text("Paused: the test has ended")
        expect(inspector.locator("#result")).to_have_text("")
        resume.click()
        expect(inspector.get_by_text("The test has ended.")).to_be_visible()
    assert "1 passed" in run.wait()


FAILING_TEST = """
def test_fails(worker, shared_workers, gateway):
    shared_workers.pause()
    assert not shared_workers.alive, "a worker is alive"
    assert 0, "the end"
"""


def test_paused_test_without_the_option_ends_a_worker_and_leaves_the_view(
    browser: Browser, browser_name: str, tmp_path: Path, runs: list[Run]
) -> None:
    runs.append(run := Run(tmp_path, browser_name, FAILING_TEST))
    with open_inspector(
        browser, run.url, color_scheme="dark", viewport={"width": 390, "height": 844}
    ) as inspector:
        card = inspector.get_by_label("worker 'poster'", exact=True)
        expect(card).to_contain_text("alive")
        require_accessible(inspector)
        status = inspector.get_by_role("status").first
        play = inspector.get_by_role("button", name="Let time pass")
        play.click()
        expect(status).to_have_text("Paused: virtual time passes as real time does")
        expect(inspector.locator("#clock")).not_to_have_text("virtual clock at 0.000 s")
        play.click()
        expect(status).to_have_text("Paused: the test called pause()")
        inspector.get_by_role("button", name="To the next timer").click()
        expect(inspector.locator("#result")).to_have_text(re.compile(r"moved by \d+ ms"))

        faults = inspector.get_by_label("Faults")
        faults.get_by_text("Add a route").click()
        route = inspector.locator("#add-route")
        route.get_by_label("Requests of").fill("POST **/api")
        route.get_by_label("status", exact=True).fill("418")
        route.get_by_role("button", name="Add route").click()
        expect(inspector.get_by_label("Routes")).to_contain_text("POST **/api: met 0 requests")
        inspector.get_by_role("button", name="+30 s").click()
        expect(inspector.get_by_role("listbox", name="Events")).to_contain_text("→ 418")
        faults.get_by_role("button", name="Remove POST **/api").click()
        expect(faults).to_contain_text("No toxic and no route is in force.")
        card.get_by_role("button", name="Offline").click()
        expect(card).to_contain_text("alive, offline")
        card.get_by_role("button", name="Terminate").click()
        expect(card).to_contain_text("closed")
        inspector.get_by_role("button", name="Resume the test").click()
        expect(inspector.get_by_text("The test has ended.")).to_be_visible()
    output = run.wait()
    assert "AssertionError: the end" in output

    (file,) = tmp_path.glob("test-results/*/timeline.html")
    with open_inspector(browser, file.as_uri(), offline=True) as view:
        expect(view.get_by_role("listbox", name="Events")).to_contain_text("console log: first line")
        expect(view.get_by_role("img", name="Timeline")).to_have_accessible_name(
            re.compile(r"events of .*worker 'poster', gateway")
        )
        view.get_by_label("console").uncheck()
        expect(view.get_by_role("listbox", name="Events")).not_to_contain_text("console log: first line")
        require_accessible(view)


def test_closed_window_resumes_the_test_and_changes_no_tab_of_the_app(
    app: App, worker: SharedWorker, browser: Browser, sharedworker_loop: LoopThread
) -> None:
    manager = app.workers._manager
    inspector = Inspector("a test", browser, manager, app.gateway, sharedworker_loop)
    inspector.start()
    inspector.open_page()
    (context,) = [each for each in browser.contexts if each is not app.context]
    (window,) = context.pages
    expect(window.get_by_role("heading", name="a test")).to_be_visible()
    assert list(manager.tab_console.tabs.values()) == ["tab 1"]
    # Read when the test is paused; without an end of the pause the time limit of the test fails it.
    inspector.pause(reason="a person closes the window", watches={"close": window.close})
    inspector.close()
    assert app.workers.alive == [worker]


def test_view_of_many_events_finds_one_and_shows_few_rows(browser: Browser, tmp_path: Path) -> None:
    event: dict[str, object] = {"virtual": None, "kind": "console", "lane": "tab 1", "details": {}}
    events = [{**event, "at": number, "text": f"event {number}"} for number in range(MAX_EVENTS + 10)]
    file = tmp_path / "timeline.html"
    file.write_text(make_page("many", events))
    with open_inspector(browser, file.as_uri()) as view:
        expect(view.get_by_text("20000 of 20000 events; 10 older ones are gone")).to_be_visible()
        rows = view.get_by_role("option")
        expect(rows.last).to_contain_text("event 20009")  # The list follows the newest.
        view.get_by_label("Find").fill("event 1234")
        expect(rows).to_have_count(11)
        rows.first.click()
        view.get_by_label("Find").fill("")
        selected = view.get_by_role("option", selected=True)
        expect(selected).to_be_in_viewport()  # Among the others, it is still the one in view.
        expect(selected).to_contain_text("event 1234")
        view.get_by_label("Find").fill("nothing")
        expect(rows).to_have_count(0)
        view.get_by_label("Find").fill("")
        view.get_by_role("listbox", name="Events").focus()
        view.keyboard.press("Home")
        expect(view.get_by_role("option", selected=True)).to_contain_text("event 10")
        assert rows.count() < 100


def test_view_that_scrolls_everywhere_is_accessible(browser: Browser, tmp_path: Path) -> None:
    event = {
        "at": 1,
        "virtual": None,
        "kind": "console",
        "text": "word " * 4_000,
        "details": {"a": "b\n" * 500},
    }
    events: list[dict[str, object]] = [{**event, "lane": f"tab {number}"} for number in range(60)]
    file = tmp_path / "timeline.html"
    file.write_text(make_page("many lanes", events))
    with open_inspector(browser, file.as_uri(), viewport={"width": 1280, "height": 720}) as view:
        view.get_by_role("option").first.click()
        expect(view.get_by_label("Details")).to_contain_text("console of tab")
        require_accessible(view)


def test_inspector_in_several_processes_fails_with_the_reason(
    browser_name: str, tmp_path: Path, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(test_app=FAILING_TEST)
    result = pytester.runpytest_subprocess(
        "-n1", "--installed-browser", "--browser", browser_name, "-p", "no:cacheprovider", timeout=60
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*the inspector needs a run in one process*"])
    result = pytester.runpytest_subprocess("-n1", "--worker-inspector", timeout=60)
    result.stderr.fnmatch_lines(["ERROR: --worker-inspector needs a run in one process*"])


pytest_plugins = ["pytester"]
