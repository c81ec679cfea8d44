"""The server's interface as an OpenAPI 3.1 document, answered at `/openapi.json`.

Written by hand and held to the code by unit/reference_server/test_openapi.py: every route, method and status
is in it, and every answer fits its schema.
"""

from typing import Any

from aiohttp import web

from reference_server.api.telemetry import ENDPOINT
from reference_server.config.sources import SERVER_VERSION
from reference_server.model.record import MAX_SEQ, MAX_TAB_ID_CHARACTERS, MAX_TIMESTAMP_NS

Json = dict[str, Any]

PREFIX = web.AppKey("prefix", str)
OPENAPI_VERSION = "3.1.0"

ERRORS = {
    400: "The request cannot be read: its host, its body's encoding, or its JSON.",
    403: "It comes from a page of another origin, or is for a host that is not this server's.",
    404: "There is no such file.",
    408: "The body did not come to its end in time.",
    413: "The body is larger than the limit, as it came or unpacked.",
    415: "The body is of another type than JSON, or packed in an unknown way.",
    417: "It expects something else than 100-continue.",
    422: "The body is JSON and holds no list of records.",
    500: "The server failed.",
    503: "Nothing was stored: the store is out of reach, or too much waits for it. `Retry-After` says when.",
}
ANY_REQUEST = (400, 403, 417)
POST_ERRORS = (400, 403, 408, 413, 415, 417, 422, 500, 503)

TEXT: Json = {"type": "string"}
COUNT: Json = {"type": "integer", "minimum": 0}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(required: str, **properties: Json) -> Json:
    return {"type": "object", "required": required.split(), "properties": properties}


def _list(items: Json) -> Json:
    return {"type": "array", "items": items}


SCHEMAS: Json = {
    "Configuration": _object(
        "disable_ui_telemetry disable_ui_events ui_rollout_percentage accept_encodings",
        disable_ui_telemetry={"type": "boolean"},
        disable_ui_events=_list(TEXT),
        ui_rollout_percentage={"type": "number"},
        accept_encodings=_list({"enum": ["gzip"]}),
    ),
    "Record": {
        **_object(
            "installation_id event_name timestamp_ns session_id",
            installation_id=TEXT,
            event_name=TEXT,
            timestamp_ns={"type": "integer", "minimum": 0, "maximum": MAX_TIMESTAMP_NS},
            session_id=TEXT,
            params={"type": ["object", "null"]},
            tab_id={"type": ["string", "null"], "minLength": 1, "maxLength": MAX_TAB_ID_CHARACTERS},
            seq={"type": ["integer", "null"], "minimum": 0, "maximum": MAX_SEQ},
        ),
        "description": "`tab_id` and `seq`, both or neither, are its identity: it is stored once.",
    },
    "Batch": {
        **_object("records", records=_list(_ref("Record")), session_id=TEXT, dropped=COUNT, filtered=COUNT),
        "description": (
            "`dropped` and `filtered`: how many events the session lost, and left out by disable_ui_events, "
            "so far and in all. A value of a wrong type is ignored; so are both without `session_id`."
        ),
    },
    "Rejected": _object("index field reason", index=COUNT, field={"type": ["string", "null"]}, reason=TEXT),
    "Taken": _object(
        "status accepted",
        status={"const": "success"},
        accepted={**COUNT, "description": "Records that may be forgotten, duplicates among them."},
        duplicates={"type": "integer", "minimum": 1},
        rejected=_list(_ref("Rejected")),
        rejected_unlisted={"type": "integer", "minimum": 1},
    ),
    "Disabled": _object("status", status={"const": "disabled"}),
    "Error": _object("error message", error=TEXT, message=TEXT, field=TEXT),
    "Health": _object("status version", status={"const": "ok"}, version=TEXT),
    "Document": {"type": "object", "required": ["openapi", "info", "paths"]},
}


def document(prefix: str) -> Json:
    """Give the document of a server whose URLs begin with `prefix`, which is empty or like `/app`."""
    return {
        "openapi": OPENAPI_VERSION,
        "info": {"title": "UI telemetry", "version": SERVER_VERSION},
        "servers": [{"url": prefix or "/"}],
        "paths": _paths(),
        "components": {"schemas": SCHEMAS},
    }


def _paths() -> Json:
    name = {"name": "name", "in": "path", "required": True, "schema": TEXT}
    taken = {"oneOf": [_ref("Taken"), _ref("Disabled")]}
    post = {
        "summary": "Take a batch. What is answered with success is stored.",
        "requestBody": {"required": True, "content": {"application/json": {"schema": _ref("Batch")}}},
        "responses": _responses("application/json", taken, POST_ERRORS),
    }
    return {
        ENDPOINT: {**_read("Tell what may be sent.", _ref("Configuration")), "post": post},
        "/static-files/{name}": {
            **_read("A module of the worker or its client.", TEXT, "text/javascript", 404),
            "parameters": [name],
        },
        "/health": _read("Tell that it runs.", _ref("Health")),
        "/metrics": _read("Figures for Prometheus.", TEXT, "text/plain"),
        "/openapi.json": _read("This document.", _ref("Document")),
        "/": _read("A page on which events can be clicked.", TEXT, "text/html", 404),
    }


def _read(summary: str, schema: Json, media_type: str = "application/json", *more_errors: int) -> Json:
    """Give the operations GET and HEAD."""
    responses = _responses(media_type, schema, (*ANY_REQUEST, *more_errors))
    without_content = {status: {"description": answer["description"]} for status, answer in responses.items()}
    return {
        "get": {"summary": summary, "responses": responses},
        "head": {"summary": f"{summary} Without the content.", "responses": without_content},
    }


def _responses(media_type: str, schema: Json, errors: tuple[int, ...]) -> Json:
    refused = {"application/json": {"schema": _ref("Error")}}
    success = {"description": "It is so.", "content": {media_type: {"schema": schema}}}
    return {
        "200": success,
        **{str(status): {"description": ERRORS[status], "content": refused} for status in sorted(errors)},
    }


async def get_openapi(request: web.Request) -> web.Response:
    """Answer with the document."""
    return web.json_response(document(request.app[PREFIX]), headers={"Cache-Control": "no-store"})
