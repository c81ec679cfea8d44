"""An aiohttp server that reads every body and reports success: `python -m bench.server.bare`."""

from __future__ import annotations

import asyncio
import sys

from aiohttp import web

from reference_server.api.telemetry import ENDPOINT


async def _respond(request: web.Request) -> web.Response:
    await request.read()
    return web.json_response({"status": "success"})


async def _serve() -> None:
    app = web.Application(client_max_size=1 << 26)
    app.router.add_post(ENDPOINT, _respond)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"listening on http://127.0.0.1:{runner.addresses[0][1]}", file=sys.stderr, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve())
