"""The routes: a handler for each path and method, and an error for every other."""

from functools import partial

from aiohttp import HttpVersion11, web

from reference_server.api.metrics import METRICS, get_metrics
from reference_server.api.openapi import get_openapi
from reference_server.api.ready import get_ready
from reference_server.api.responses import HealthResponse, create_response
from reference_server.api.static import STATIC_FILES, get_page, get_static_file
from reference_server.api.telemetry import ENDPOINT, get_configuration, post_records
from reference_server.errors import WireError
from reference_server.version import SERVER_VERSION

UNKNOWN = "unknown"
"""The name of the route for all other paths."""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def build_routes(prefix: str) -> list[web.RouteDef]:
    """Return the routes below a prefix, which is empty or like `/app`."""
    get = partial(web.get, expect_handler=handle_expect)
    post = partial(web.post, expect_handler=handle_expect)
    known = [
        get(f"{prefix}{ENDPOINT}", get_configuration),
        post(f"{prefix}{ENDPOINT}", post_records),
        get(f"{prefix}/{STATIC_FILES}/{{name}}", get_static_file),
        get(f"{prefix}/health", _get_health),
        get(f"{prefix}/ready", get_ready),
        get(f"{prefix}/metrics", get_metrics),
        get(f"{prefix}/openapi.json", get_openapi),
        get(f"{prefix}/", get_page),
    ]
    if prefix:
        known.append(get(prefix, _redirect_to_page))  # the page's URLs are relative to the last slash
    return [
        *known,
        web.route("*", "/{path:.*}", _refuse_unknown, name=UNKNOWN, expect_handler=handle_expect),
    ]


async def handle_expect(request: web.Request) -> web.StreamResponse | None:
    """Confirm `Expect: 100-continue`, or refuse the request with 417.

    aiohttp's own handler fails for a header that is not UTF-8, and runs before the middlewares.
    """
    if request.version != HttpVersion11:
        return None
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(CONTINUE)
        request.writer.output_size = 0  # the final response has not begun
        return None
    request.app[METRICS].count_response(request.method, 417)
    return WireError(417, "expectation_failed", "Only 100-continue is supported.").to_response()


async def _refuse_unknown(request: web.Request) -> web.StreamResponse:
    """Refuse an unknown path with 404, an unknown method of a known path with 405."""
    allowed: set[str] = set()
    for resource in request.app.router.resources():
        match, methods = await resource.resolve(request)
        if match is None:  # a match is the resource of this handler
            allowed |= methods
    if allowed:
        raise web.HTTPMethodNotAllowed(request.method, sorted(allowed))
    raise web.HTTPNotFound


async def _get_health(request: web.Request) -> web.Response:
    return create_response(HealthResponse("ok", SERVER_VERSION))


async def _redirect_to_page(request: web.Request) -> web.Response:
    raise web.HTTPPermanentRedirect(f"{request.path}/")
