"""The telemetry endpoint: GET returns the configuration, POST stores records."""

import logging
from collections.abc import Mapping

from aiohttp import web
from msgspec import UNSET

from reference_server.api.admission import Admission, Load
from reference_server.api.dead_letters import keep_refused_body, keep_rejected_records
from reference_server.api.decoder import Decoder
from reference_server.api.request_body import parse_content_encoding, read_body
from reference_server.api.responses import (
    ACCEPT_ENCODINGS,
    AcceptedResponse,
    ConfigurationResponse,
    DisabledResponse,
    create_response,
)
from reference_server.config.environment import is_disabled_by_environment
from reference_server.config.model import Configuration
from reference_server.config.sources import ConfigurationSource
from reference_server.errors import StoreUnavailableError, WireError
from reference_server.limits import Limits
from reference_server.model.batch import Batch
from reference_server.storage.store import Added, Store

logger = logging.getLogger(__name__)

ENDPOINT = "/ajax-api/3.0/mlflow/ui-telemetry"
CONTENT_TYPE = "application/json"

SOURCE: web.AppKey[ConfigurationSource] = web.AppKey("source")
ENVIRON: web.AppKey[Mapping[str, str]] = web.AppKey("environ")
STORE: web.AppKey[Store] = web.AppKey("store")
LIMITS = web.AppKey("limits", Limits)
ADMISSION = web.AppKey("admission", Admission)
DECODER = web.AppKey("decoder", Decoder)


async def get_configuration(request: web.Request) -> web.Response:
    """Respond with the configuration, and with the content encodings that bodies may have."""
    configuration = await load_configuration(request.app)
    response = ConfigurationResponse(
        disable_ui_telemetry=configuration.disable_ui_telemetry,
        disable_ui_events=configuration.disable_ui_events,
        ui_rollout_percentage=configuration.ui_rollout_percentage,
        accept_encodings=ACCEPT_ENCODINGS,
    )
    return create_response(response)


async def post_records(request: web.Request) -> web.Response:
    """Store the valid records of a batch, and respond only when they are stored.

    If telemetry is disabled, the body is not read: the worker must stop, no matter what it sent.
    """
    if request.content_type != CONTENT_TYPE:
        raise WireError(
            415, "unsupported_content_type", f"Expected Content-Type {CONTENT_TYPE}.", field="Content-Type"
        )
    if (await load_configuration(request.app)).disable_ui_telemetry:
        return create_response(DisabledResponse("disabled"))

    with request.app[ADMISSION].admit() as load:
        batch = await _read_batch(request, load)
        added = Added(0)
        if batch.accepted or batch.report:
            added = await request.app[STORE].add(batch.accepted, batch.report)
            batch.reject_conflicts(added.conflicts)
        try:
            await keep_rejected_records(request.app[STORE], batch)
        except StoreUnavailableError as error:
            if batch.accepted or batch.report:  # Stored: the worker must not send them again.
                logger.warning("rejected records were not kept: %s", error)
            else:
                raise
    return create_response(_describe_result(batch, duplicates=len(batch.accepted) - added.new_count))


async def _read_batch(request: web.Request, load: Load) -> Batch:
    """Read and decode the body of a request, while there is room for it."""
    limits = request.app[LIMITS]
    encoding = parse_content_encoding(request)
    body = await read_body(
        request, limits.max_body, limits.body_timeout_seconds, lambda size: load.grow(more_bytes=size)
    )
    try:
        batch, decompressed_bytes = await request.app[DECODER].decode(body, encoding)
    except WireError as error:
        if error.status != 413:  # Its sender sends the records again, in smaller bodies.
            await keep_refused_body(request.app[STORE], body, error)
        raise
    load.grow(records=len(batch.accepted), more_bytes=decompressed_bytes - len(body))
    return batch


def _describe_result(batch: Batch, *, duplicates: int) -> AcceptedResponse:
    """Return what the worker may delete: every accepted record, including those that were already stored."""
    return AcceptedResponse(
        status="success",
        accepted=len(batch.accepted),
        duplicates=duplicates or UNSET,
        rejected=batch.rejected or UNSET,
        rejected_unlisted=batch.rejected_count - len(batch.rejected) or UNSET,
    )


async def load_configuration(app: web.Application) -> Configuration:
    """Return the configuration in effect now. Raise ConfigurationUnknownError if none is known.

    After an opt-out by the environment no source is read.
    """
    if is_disabled_by_environment(app[ENVIRON]):
        return Configuration()
    return await app[SOURCE].get_current()
