"""The OpenAPI 3.1 document of the server's interface, at `/openapi.json`.

msgspec generates the schemas from the types of the responses and of a record. The paths are written by hand;
unit/reference_server/api/test_openapi.py checks that every route, method and status is in the document, and
that every response matches its schema.
"""

import inspect
from typing import Any

import msgspec
from aiohttp import web

from reference_server.api.responses import (
    AcceptedResponse,
    ConfigurationResponse,
    DisabledResponse,
    HealthResponse,
    ReadyResponse,
)
from reference_server.api.telemetry import ENDPOINT
from reference_server.errors import ErrorResponse
from reference_server.model.record import Record
from reference_server.version import SERVER_VERSION

Json = dict[str, Any]

PREFIX = web.AppKey("prefix", str)
OPENAPI_VERSION = "3.1.0"

ERRORS = {
    400: "The host, the encoding of the body or its JSON is invalid.",
    401: "The request has no token, or another one than the server's.",
    403: "The request comes from a page of another origin, or is for a host that is not allowed.",
    404: "There is no such file.",
    408: "The body did not end in time.",
    413: "The body is larger than the limit, compressed or decompressed, or has too many records.",
    415: "The body is not JSON by its content type, or has an unknown content encoding.",
    417: "The request expects something other than 100-continue.",
    422: "The body is JSON but holds no list of records.",
    500: "The server failed.",
    503: "The store is unavailable or overloaded, or no configuration is known. Nothing was stored; retry "
    "after `Retry-After`.",
}
ANY_REQUEST = (400, 403, 417)
POST_ERRORS = (400, 403, 408, 413, 415, 417, 422, 500, 503)

TEXT: Json = {"type": "string"}


class Batch(msgspec.Struct):
    """The body of a POST.

    A record that does not match its schema is rejected, and the others are stored. `dropped` and `filtered`
    are cumulative counts of events that the session lost, and that it left out because of disable_ui_events.
    Any value is taken: a count that is not an integer from 0 up, or is implausibly large, is ignored, and
    without a text as `session_id` both are ignored.
    """

    # For the document only: the server decodes each record by itself, see `model.batch`.
    records: list[Record]
    session_id: Any = msgspec.UNSET
    dropped: Any = msgspec.UNSET
    filtered: Any = msgspec.UNSET


class EmptyBatch(msgspec.Struct, forbid_unknown_fields=True):
    """An empty object: a batch without records, as for MLflow's server."""


def _generate_schemas() -> Json:
    types = (
        Batch,
        EmptyBatch,
        ConfigurationResponse,
        AcceptedResponse,
        DisabledResponse,
        ErrorResponse,
        HealthResponse,
        ReadyResponse,
    )
    _, schemas = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    for schema in schemas.values():
        schema["description"] = inspect.cleandoc(schema["description"])
    return {**schemas, "Document": {"type": "object", "required": ["openapi", "info", "paths"]}}


SCHEMAS = _generate_schemas()


def build_document(prefix: str) -> Json:
    """Return the document of a server whose URLs begin with `prefix`, which is empty or like `/app`."""
    return {
        "openapi": OPENAPI_VERSION,
        "info": {"title": "UI telemetry", "version": SERVER_VERSION},
        "servers": [{"url": prefix or "/"}],
        "paths": _build_paths(),
        "components": {"schemas": SCHEMAS},
    }


def _build_paths() -> Json:
    name = {"name": "name", "in": "path", "required": True, "schema": TEXT}
    result = {"oneOf": [_refer(AcceptedResponse.__name__), _refer(DisabledResponse.__name__)]}
    body = {"anyOf": [_refer(Batch.__name__), _refer(EmptyBatch.__name__)]}
    post = {
        "summary": "Store a batch. A success means that its records are stored.",
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": body}},
        },
        "responses": _build_responses("application/json", result, POST_ERRORS),
    }
    schema = _refer(ConfigurationResponse.__name__)
    configuration = _build_reads("Get the configuration.", schema, "application/json", 503)
    return {
        ENDPOINT: {**configuration, "post": post},
        "/static-files/{name}": {
            **_build_reads("Get a module of the worker or its client.", TEXT, "text/javascript", 404),
            "parameters": [name],
        },
        "/health": _build_reads("Ask whether the server runs.", _refer(HealthResponse.__name__)),
        "/ready": _build_reads(
            "Ask whether the server can store records.",
            _refer(ReadyResponse.__name__),
            "application/json",
            503,
        ),
        "/metrics": _build_reads("Get the metrics for Prometheus.", TEXT, "text/plain", 401),
        "/openapi.json": _build_reads("Get this document.", _refer("Document")),
        "/": _build_reads("Get a demo page that logs events for clicks.", TEXT, "text/html", 404),
    }


def _build_reads(summary: str, schema: Json, media_type: str = "application/json", *more_errors: int) -> Json:
    """Return the operations GET and HEAD."""
    responses = _build_responses(media_type, schema, (*ANY_REQUEST, *more_errors))
    without_content = {
        status: {"description": response["description"]} for status, response in responses.items()
    }
    return {
        "get": {"summary": summary, "responses": responses},
        "head": {"summary": f"{summary} Headers only.", "responses": without_content},
    }


def _build_responses(media_type: str, schema: Json, errors: tuple[int, ...]) -> Json:
    refused = {"application/json": {"schema": _refer(ErrorResponse.__name__)}}
    success = {"description": "Success.", "content": {media_type: {"schema": schema}}}
    return {
        "200": success,
        **{str(status): {"description": ERRORS[status], "content": refused} for status in sorted(errors)},
    }


def _refer(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


async def get_openapi(request: web.Request) -> web.Response:
    """Respond with the document."""
    return web.json_response(build_document(request.app[PREFIX]), headers={"Cache-Control": "no-store"})
