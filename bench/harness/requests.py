"""A page's requests through the gateway beside the same requests to the server itself."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from aiohttp import web
from playwright.sync_api import Browser, Page

from bench.harness.simulation import PAGE, start_gateway

_FETCH = """async (count) => {
    const took = [];
    for (let number = 0; number < count; number++) {
        const began = performance.now();
        await (await fetch("/data", { cache: "no-store" })).text();
        took.push(performance.now() - began);
    }
    return took;
}"""


def measure_requests(browser: Browser, rounds: int, count: int) -> tuple[list[float], list[float]]:
    """Return the milliseconds of requests to the server and through the gateway, measured in turn."""
    direct: list[float] = []
    through: list[float] = []
    with _start_server() as url, start_gateway(url) as (_, _, gateway):
        context = browser.new_context()
        pages = [_open(context.new_page(), each) for each in (url, gateway.url)]
        for page in pages:
            page.evaluate(_FETCH, count)
        for _ in range(rounds):
            for page, milliseconds in zip(pages, (direct, through), strict=True):
                milliseconds += page.evaluate(_FETCH, count)
        context.close()
    return direct, through


def _open(page: Page, url: str) -> Page:
    page.goto(url)
    return page


@contextmanager
def _start_server() -> Iterator[str]:
    """Run a server in a process of its own, so that it does not share the gateway's interpreter."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(there,), daemon=True)
    process.start()
    try:
        yield here.recv()
    finally:
        process.terminate()
        process.join()


def _serve(pipe: Connection) -> None:
    asyncio.run(_serve_forever(pipe))


async def _serve_forever(pipe: Connection) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    pipe.send(f"http://{host}:{port}")
    await asyncio.Event().wait()
