"""The telemetry endpoint: GET tells the configuration, POST takes records."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec
from aiohttp import web

from reference_server.api.admission import Admission, Load
from reference_server.api.decoder import Decoder
from reference_server.api.metrics import METRICS
from reference_server.api.request_body import ACCEPT_ENCODINGS, encoding_of, read_body
from reference_server.config.model import Configuration, telemetry_disabled_by
from reference_server.config.sources import ConfigurationSource
from reference_server.errors import WireError
from reference_server.model.batch import Batch
from reference_server.storage.store import Store

ENDPOINT = "/ajax-api/3.0/mlflow/ui-telemetry"
CONTENT_TYPE = "application/json"
NO_STORE = {"Cache-Control": "no-store"}

SOURCE: web.AppKey[ConfigurationSource] = web.AppKey("source")
ENVIRON: web.AppKey[Mapping[str, str]] = web.AppKey("environ")
STORE: web.AppKey[Store] = web.AppKey("store")
ADMISSION = web.AppKey("admission", Admission)
DECODER = web.AppKey("decoder", Decoder)
BODY_LIMITS: web.AppKey["BodyLimits"] = web.AppKey("body_limits")


class BodyLimits(NamedTuple):
    """How large a body may be, packed and unpacked, and how long it may take to come."""

    max_bytes: int
    timeout_seconds: float


async def get_configuration(request: web.Request) -> web.Response:
    """Answer with the three values, and with how a body may be packed."""
    configuration = await _current(request.app)
    answer = {**configuration.as_json(), "accept_encodings": ACCEPT_ENCODINGS}
    return web.json_response(answer, headers=NO_STORE)


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

    with request.app[ADMISSION].admit() as load:
        batch = await _read_batch(request, load)
        accepted = batch.accepted
        new_count = 0
        if accepted or batch.report:
            new_count = await request.app[STORE].add(accepted, batch.report)
    duplicates = len(accepted) - new_count
    request.app[METRICS].taken(batch, duplicates=duplicates)
    return web.json_response(_answer(batch, duplicates=duplicates), headers=NO_STORE)


async def _read_batch(request: web.Request, load: Load) -> Batch:
    """Read and take apart what a request carries, as far as there is room for it."""
    limits = request.app[BODY_LIMITS]
    encoding = encoding_of(request)
    body = await read_body(
        request, limits.max_bytes, limits.timeout_seconds, lambda more: load.grow(more_bytes=more)
    )
    batch, unpacked_bytes = await request.app[DECODER].decode(body, encoding)
    load.grow(records=len(batch.accepted), more_bytes=unpacked_bytes - len(body))
    return batch


def _answer(batch: Batch, *, duplicates: int) -> dict[str, object]:
    """Tell a worker what it may forget: all that was accepted, though it had been stored before."""
    answer: dict[str, object] = {"status": "success", "accepted": len(batch.accepted)}
    if duplicates:
        answer["duplicates"] = duplicates
    if batch.rejected:
        answer["rejected"] = msgspec.to_builtins(batch.rejected)
    if batch.rejected_count > len(batch.rejected):
        answer["rejected_unlisted"] = batch.rejected_count - len(batch.rejected)
    return answer


async def _current(app: web.Application) -> Configuration:
    """Give the configuration that holds now; an opt-out by the environment comes before any source."""
    if telemetry_disabled_by(app[ENVIRON]):
        return Configuration()
    return await app[SOURCE].current()
