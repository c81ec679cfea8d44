"""A page's requests through the gateway beside the same requests to the server itself."""

from __future__ import annotations

from playwright.sync_api import Browser, Page

from bench.harness.server import start_server
from bench.harness.simulation import start_gateway

DIRECT = "direct"
CLOSING = "direct, a connection a request"
THROUGH = "through the gateway"

_FETCH = """async ([url, count]) => {
    const took = [];
    for (let number = 0; number < count; number++) {
        const began = performance.now();
        await (await fetch(url, { cache: "no-store" })).text();
        took.push(performance.now() - began);
    }
    return took;
}"""


def measure_requests(browser: Browser, rounds: int, count: int) -> dict[str, list[float]]:
    """Return the milliseconds of requests by their way, measured in turn.

    The gateway closes each connection: the server that does so too shows what that costs alone.
    """
    took: dict[str, list[float]] = {DIRECT: [], CLOSING: [], THROUGH: []}
    with start_server() as url, start_gateway(url) as (_, _, gateway):
        context = browser.new_context()
        direct, through = (_open(context.new_page(), each) for each in (url, gateway.url))
        ways = {DIRECT: (direct, "/data"), CLOSING: (direct, "/data?close"), THROUGH: (through, "/data")}
        for page, path in ways.values():
            page.evaluate(_FETCH, [path, count])
        for _ in range(rounds):
            for way, (page, path) in ways.items():
                took[way] += page.evaluate(_FETCH, [path, count])
        context.close()
    return took


def _open(page: Page, url: str) -> Page:
    page.goto(url)
    return page
