"""The telemetry endpoint: GET tells the configuration, POST takes records."""

from collections.abc import Mapping

import msgspec
from aiohttp import web

from reference_server.configuration import Configuration, telemetry_disabled_by
from reference_server.configuration_sources import ConfigurationSource
from reference_server.errors import WireError
from reference_server.records import MAX_REJECTED_LISTED, decode_records
from reference_server.store import Store

ENDPOINT = "/ajax-api/3.0/mlflow/ui-telemetry"
CONTENT_TYPE = "application/json"
NO_STORE = {"Cache-Control": "no-store"}

SOURCE: web.AppKey[ConfigurationSource] = web.AppKey("source")
ENVIRON: web.AppKey[Mapping[str, str]] = web.AppKey("environ")
STORE: web.AppKey[Store] = web.AppKey("store")
MAX_BODY_BYTES = web.AppKey("max_body_bytes", int)


async def get_configuration(request: web.Request) -> web.Response:
    """Answer with the three values."""
    configuration = await _current(request.app)
    return web.json_response(configuration.as_json(), headers=NO_STORE)


async def post_records(request: web.Request) -> web.Response:
    """Store the good records of a request, and answer only when they are stored.

    Where telemetry is disabled the body is not looked at: whatever a worker sent, it hears that it must stop.
    """
    if request.content_type != CONTENT_TYPE:
        raise WireError(
            415, "unsupported_content_type", f"Content-Type has to be {CONTENT_TYPE}.", field="Content-Type"
        )
    if (await _current(request.app)).disable_ui_telemetry:
        return web.json_response({"status": "disabled"}, headers=NO_STORE)

    accepted, rejected = decode_records(await _read_body(request))
    if accepted:
        await request.app[STORE].add(accepted)
    answer: dict[str, object] = {"status": "success", "accepted": len(accepted)}
    if rejected:
        answer["rejected"] = msgspec.to_builtins(rejected[:MAX_REJECTED_LISTED])
    if len(rejected) > MAX_REJECTED_LISTED:
        answer["rejected_unlisted"] = len(rejected) - MAX_REJECTED_LISTED
    return web.json_response(answer, headers=NO_STORE)


async def _current(app: web.Application) -> Configuration:
    """Give the configuration that holds now; an opt-out by the environment comes before any source."""
    if telemetry_disabled_by(app[ENVIRON]):
        return Configuration()
    return await app[SOURCE].current()


async def _read_body(request: web.Request) -> bytes:
    """Read the body as far as the limit: refused by its announced length, else when it grows too large."""
    limit = request.app[MAX_BODY_BYTES]
    if (request.content_length or 0) > limit:
        raise _too_large(limit)
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > limit:
            raise _too_large(limit)
    return bytes(body)


def _too_large(limit: int) -> WireError:
    return WireError(
        413, "body_too_large", f"A body may have {limit} bytes at most; send fewer records at a time."
    )
