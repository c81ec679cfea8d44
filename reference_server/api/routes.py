"""Which handler answers to which path and method, and what is answered where there is none."""

from functools import partial

from aiohttp import HttpVersion11, web

from reference_server.api.metrics import METRICS, get_metrics
from reference_server.api.openapi import get_openapi
from reference_server.api.static import STATIC_FILES, get_page, get_static_file
from reference_server.api.telemetry import ENDPOINT, NO_STORE, get_configuration, post_records
from reference_server.config.sources import SERVER_VERSION
from reference_server.errors import WireError

UNKNOWN = "unknown"
"""The name of the route for every path that is no other one."""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def routes(prefix: str) -> list[web.RouteDef]:
    """Give the routes below a prefix, which is empty or like `/app`."""
    get = partial(web.get, expect_handler=meet_expectation)
    post = partial(web.post, expect_handler=meet_expectation)
    known = [
        get(f"{prefix}{ENDPOINT}", get_configuration),
        post(f"{prefix}{ENDPOINT}", post_records),
        get(f"{prefix}/{STATIC_FILES}/{{name}}", get_static_file),
        get(f"{prefix}/health", _get_health),
        get(f"{prefix}/metrics", get_metrics),
        get(f"{prefix}/openapi.json", get_openapi),
        get(f"{prefix}/", get_page),
    ]
    if prefix:
        known.append(get(prefix, _to_page))  # the page's URLs are relative to its last slash
    return [
        *known,
        web.route("*", "/{path:.*}", _answer_unknown, name=UNKNOWN, expect_handler=meet_expectation),
    ]


async def meet_expectation(request: web.Request) -> web.StreamResponse | None:
    """Meet what a client expects before it sends its body, or refuse with 417.

    The one of aiohttp fails for a text that is not UTF-8, and comes before any middleware.
    """
    if request.version != HttpVersion11:
        return None
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(CONTINUE)
        request.writer.output_size = 0  # the answer itself has not begun
        return None
    request.app[METRICS].answered(request.method, 417)
    return WireError(417, "expectation_failed", "Nothing but 100-continue can be expected.").response()


async def _answer_unknown(request: web.Request) -> web.StreamResponse:
    """Say that there is no such path, or no such method of it."""
    allowed: set[str] = set()
    for resource in request.app.router.resources():
        match, methods = await resource.resolve(request)
        if match is None:  # else it is the resource of this very handler
            allowed |= methods
    if allowed:
        raise web.HTTPMethodNotAllowed(request.method, sorted(allowed))
    raise web.HTTPNotFound


async def _get_health(request: web.Request) -> web.Response:
    return web.json_response({"status": "ok", "version": SERVER_VERSION}, headers=NO_STORE)


async def _to_page(request: web.Request) -> web.Response:
    raise web.HTTPPermanentRedirect(f"{request.path}/")
