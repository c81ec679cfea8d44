"""A server in a process of its own, so that it does not share the gateway's interpreter."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from aiohttp import web

from bench.harness.simulation import ENDPOINT, PAGE, RESPONSE, WORKER

TICKER_PATH = "/ticker.js"
_TICKER = """
const ports = [];
const channel = new MessageChannel();
let awaited = 0;
let left = 0;
let finish;
const step = () => {
    if (left === 0) {
        finish.postMessage("done");
        return;
    }
    left -= 1;
    awaited = ports.length;
    ports.forEach((port) => port.postMessage("log"));
};
channel.port1.onmessage = step;
onconnect = ({ ports: [port] }) => {
    ports.push(port);
    port.onmessage = ({ data }) => {
        if (data.steps) {
            left = data.steps;
            finish = port;
            step();
            return;
        }
        awaited -= 1;
        if (awaited === 0) {
            channel.port2.postMessage(null);
        }
    };
};
"""
"""A worker that has all tabs log an event, and goes on when each has."""


@contextmanager
def start_server() -> Iterator[str]:
    """Run the server and return its origin; stop it in the end."""
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
        response = web.Response(text=PAGE, content_type="text/html")
        if "close" in request.query:
            response.force_close()
        return response

    async def answer_ticker(request: web.Request) -> web.Response:
        return web.Response(text=_TICKER, content_type="text/javascript")

    async def answer_worker(request: web.Request) -> web.Response:
        return web.json_response(RESPONSE)

    app = web.Application()
    app.router.add_static("/static-files/", WORKER)
    app.router.add_get(TICKER_PATH, answer_ticker)
    app.router.add_route("*", ENDPOINT + "{rest:.*}", answer_worker)
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    pipe.send(f"http://{host}:{port}")
    await asyncio.Event().wait()
