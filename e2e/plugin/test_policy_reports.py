"""What app and server learn of violations of a policy: the policy is the one that the server has sent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from e2e.plugin.app import App, read_console, wait_for_console
from pytest_sharedworker import WorkerNotFoundError

WORKER = """
addEventListener("securitypolicyviolation", ({ originalPolicy }) => console.log(originalPolicy));
fetch("http://127.0.0.1:1/").catch(() => {});
"""

OBSERVE = """() => {
    self.events = [];
    self.reports = [];
    addEventListener("securitypolicyviolation", ({ originalPolicy }) => events.push(originalPolicy));
    const keep = (seen) => reports.push(...seen.map((report) => JSON.stringify(report)));
    new ReportingObserver(keep).observe();
}"""

VIOLATE = "() => { fetch('http://127.0.0.1:1/').catch(() => {}); }"

pytestmark = pytest.mark.skip_browser("webkit")


def take_reports(app: App, key: str = "original-policy") -> list[str]:
    """Return the list that gets the policies, or what `key` names, of all reports to `/reports`."""
    values: list[str] = []

    def take(route: Any) -> None:
        values.append(json.loads(route.request.post_data)["csp-report"][key])
        route.fulfill(status=204)

    app.gateway.route("/reports", take)
    return values


def normalize(app: App, policy: str) -> str:
    """Return a policy as Firefox writes the one that it got."""
    return policy.replace(f"report-uri {app.gateway.url}", "report-uri ")


@pytest.mark.parametrize(
    "policy",
    ["connect-src 'none'; report-uri /reports", "default-src 'self'; report-uri /reports"],
    ids=["connect-src", "default-src"],
)
def test_worker_and_server_see_the_policy_as_sent(app: App, policy: str) -> None:
    reported = take_reports(app)
    app.gateway.serve("/worker.js", WORKER, headers={"Content-Security-Policy": policy})
    with app.gateway.expect_response("/reports"):
        app.connect(app.open())
    message = wait_for_console(app.workers.wait_for("/worker.js"), "report-uri")
    assert [normalize(app, each) for each in (message.text, *reported)] == [policy, policy]


BLOCKED = """
addEventListener("securitypolicyviolation", ({ blockedURI }) => console.log(blockedURI));
onconnect = () => {};
try {
    self.socket = new WebSocket(`ws://${location.host}/socket?a=1`);
} catch {}
setTimeout(() => console.log("later"), 1000);
"""


def test_blocked_socket_is_named_as_given_and_does_not_stop_the_clock(app: App) -> None:
    blocked = take_reports(app, "blocked-uri")
    policy = {"Content-Security-Policy": "connect-src 'none'; report-uri /reports"}
    app.gateway.serve("/worker.js", BLOCKED, headers=policy)
    with app.gateway.expect_response("/reports"):
        app.connect(app.open())
    worker = app.workers.wait_for("/worker.js")
    assert worker.clock.state()["pending"] == []
    worker.clock.run_for(1_000)
    assert read_console(worker) == [
        f"log: ws://{app.gateway.url.partition('//')[2]}/socket?a=1",
        "log: later",
    ]
    assert [url.partition("?")[2] for url in blocked] in (["a=1"], [""])  # Firefox reports no query.


def test_page_that_forbids_synchronous_requests_gets_no_report_of_one(app: App, browser_name: str) -> None:
    headers = {"Permissions-Policy": "sync-xhr=()"}
    app.gateway.serve("/strict.html", "<!doctype html>", headers=headers)
    page = app.context.new_page()
    page.goto(app.gateway.url + "/strict.html")
    page.evaluate(OBSERVE)
    start_inline = """() => new Promise((resolve) => {
        const text = "onconnect = ({ ports: [port] }) => port.postMessage(1)";
        const blob = new Blob([text], { type: "text/javascript" });
        new SharedWorker(URL.createObjectURL(blob)).port.onmessage = resolve;
    })"""
    page.evaluate(start_inline)
    assert page.evaluate("reports") == []
    if browser_name == "chromium":
        with pytest.raises(WorkerNotFoundError, match="sync-xhr"):
            app.workers.wait_for("blob:**", timeout=500)


def test_page_with_an_inline_worker_sees_its_policy_and_no_report_of_the_plugin(
    app: App, browser_name: str
) -> None:
    policy = "default-src 'self' blob:; script-src 'unsafe-eval' blob:; report-uri /reports"
    reported = take_reports(app)
    app.gateway.serve("/strict.html", "<!doctype html>", headers={"Content-Security-Policy": policy})
    page = app.context.new_page()
    page.goto(app.gateway.url + "/strict.html")
    page.evaluate(OBSERVE)
    # The plugin reads the script of an inline worker by a synchronous request, of which Chromium reports that
    # it is deprecated. The violation's report comes later.
    page.evaluate("() => { new SharedWorker(URL.createObjectURL(new Blob([''])), 'inline'); }")
    assert app.workers.wait_for(name="inline").evaluate("1 + 1") == 2
    with app.gateway.expect_response("/reports"):
        page.evaluate(VIOLATE)
    # Firefox gives an observer only the reports of a policy with `report-to`.
    expected = 1 if browser_name == "chromium" else 0
    page.wait_for_function("(count) => events.length && reports.length >= count", arg=expected)
    bodies = [json.loads(report)["body"] for report in page.evaluate("reports")]
    policies = [*page.evaluate("events"), *[body["originalPolicy"] for body in bodies], *reported]
    assert [normalize(app, each) for each in policies] == [policy] * (2 + expected)
