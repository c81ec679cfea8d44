"""WebKitGTK, which the plugin drives by WebDriver: one worker for three tabs, and its one request.

The other tests of this folder run in WebKitGTK too; this one is the shortest that uses all of its parts.
"""

from __future__ import annotations

from playwright.sync_api import BrowserContext

from pytest_sharedworker import Clock, Gateway, ResetPeer, SharedWorkers

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
PAGE = "<!doctype html><script>window.port = new SharedWorker('/worker.js').port;</script>"


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
