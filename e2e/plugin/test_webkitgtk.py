"""What the plugin's own engine for WebKitGTK has to get right; it holds in every browser.

The other tests of this folder run in WebKitGTK too.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, BrowserType, Page
from playwright.sync_api import Error as PlaywrightError

from pytest_sharedworker import Clock, Gateway, ResetPeer, SharedWorkers, UnsupportedError
from pytest_sharedworker.webkitgtk import session
from pytest_sharedworker.webkitgtk.browser import WebKitGtkBrowserType
from pytest_sharedworker.webkitgtk.page import WebKitGtkPage

WORKER = """
let queue = [];
setInterval(() => {
    const records = queue.splice(0);
    if (records.length) {
        fetch("/collect", { method: "POST", body: JSON.stringify(records) })
            .catch(() => queue.unshift(...records));
    }
}, 30_000);
onconnect = ({ ports: [port] }) => { port.onmessage = ({ data }) => queue.push(data); };
"""
POLICY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'nonce-a'; worker-src *; connect-src 'none'"
}
WEBKIT_DRIVER = shutil.which("WebKitWebDriver")
# Its first start listens and never answers, as a driver whose browser does not connect to it.
SILENT_AT_FIRST = """#!{python}
import os, pathlib, socket, sys, time
mark = pathlib.Path(__file__).with_name("was-silent")
if mark.exists():
    os.execv("{driver}", sys.argv)
mark.touch()
with socket.create_server(("127.0.0.1", int(sys.argv[1].removeprefix("--port=")))):
    time.sleep(3600)
"""
PAGE = "<!doctype html><script nonce=a>window.port = new SharedWorker('/worker.js').port;</script>"


def test_three_tabs_share_one_request(
    context: BrowserContext, gateway: Gateway, shared_workers: SharedWorkers, worker_clock: Clock
) -> None:
    gateway.serve("/", PAGE)
    gateway.serve("/worker.js", WORKER)
    gateway.serve("/collect", "")
    pages = [context.new_page() for _ in range(3)]
    for number, page in enumerate(pages):
        page.goto("/")
        page.evaluate("(number) => { for (let i = 0; i < 5; i++) port.postMessage([number, i]); }", number)
    worker = shared_workers.wait_for("**/worker.js")
    worker_clock.run_for(29_999)
    assert not gateway.journal.select("POST **/collect")
    gateway.add_toxic(ResetPeer(), on="POST **/collect", times=1)
    worker_clock.run_for(1)
    worker_clock.run_for(30_000)
    _, second = gateway.journal.select("POST **/collect")
    assert sorted(second.json()) == [[number, i] for number in range(3) for i in range(5)]
    for page in pages:
        page.close()
    worker.wait_for_close()


def test_page_with_a_strict_policy_is_followed(
    page: Page, gateway: Gateway, shared_workers: SharedWorkers, worker_clock: Clock
) -> None:
    gateway.serve("/", PAGE, headers=POLICY)
    gateway.serve("/worker.js", WORKER)
    gateway.serve("/collect", "")
    page.goto("/")
    # None of these needs `eval`, which the policy forbids.
    page.evaluate("() => { port.postMessage('one'); }")
    assert page.evaluate("(value) => [value, undefined, 2n, new Date(0)]", {"a": [float("inf")]})[0] == {
        "a": [float("inf")]
    }
    assert page.evaluate("document.scripts.length") == 1
    assert page.wait_for_function("() => Promise.resolve(3)").json_value() == 3
    with pytest.raises(PlaywrightError, match="TypeError: of the page"):
        page.evaluate("async () => { throw new TypeError('of the page'); }")
    worker_clock.run_for(30_000)
    [post] = gateway.journal.select("POST **/collect")
    assert post.json() == ["one"]


def test_statements_have_the_value_of_the_last_one(page: Page) -> None:
    assert page.evaluate("const one = 1; one + 1") == 2
    with pytest.raises(PlaywrightError, match=r"(?i)syntax_?error"):
        page.evaluate("one +")


def test_contexts_share_neither_storage_nor_workers(
    context: BrowserContext,
    new_context: Callable[[], BrowserContext],
    gateway: Gateway,
    shared_workers: SharedWorkers,
) -> None:
    gateway.serve("/", PAGE)
    gateway.serve("/worker.js", WORKER)
    other = new_context()
    shared_workers.watch(other)
    first, second = context.new_page(), other.new_page()
    for page in (first, second):
        with shared_workers.expect_worker("**/worker.js"):
            page.goto("/")
        page.evaluate("() => { localStorage.count = 1 + Number(localStorage.count || 0); }")
    assert second.evaluate("localStorage.count") == "1"
    other.close()
    assert second.is_closed()
    assert first.evaluate("localStorage.count") == "1"
    with pytest.raises(PlaywrightError, match="closed"):
        second.evaluate("1")


def test_driver_that_does_not_answer_is_started_again(
    browser_type: BrowserType,
    browser_type_launch_args: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not isinstance(browser_type, WebKitGtkBrowserType):
        pytest.skip("Playwright has drivers of its own")
    monkeypatch.setattr(session, "START_SECONDS", 5)
    driver = tmp_path / "driver"
    driver.write_text(SILENT_AT_FIRST.format(python=sys.executable, driver=WEBKIT_DRIVER))
    driver.chmod(0o755)
    browser = browser_type.launch(**browser_type_launch_args | {"executable_path": str(driver)})
    try:
        assert browser.new_page().evaluate("1 + 1") == 2
        assert (tmp_path / "was-silent").exists()
    finally:
        browser.close()


def test_unreachable_server_is_an_error(page: Page) -> None:
    with pytest.raises(PlaywrightError, match=r"http://127\.0\.0\.1:9"):
        page.goto("http://127.0.0.1:9999/")


def test_missing_ability_is_named(page: Page) -> None:
    if not isinstance(page, WebKitGtkPage):
        pytest.skip("Playwright has it")
    with pytest.raises(UnsupportedError, match=r"has no page\.get_by_role"):
        page.get_by_role("button")
    with pytest.raises(UnsupportedError, match=r"does not support browser\.new_context\(locale=…\)"):
        page.context.browser.new_context(locale="de")
