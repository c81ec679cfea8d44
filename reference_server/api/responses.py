"""The bodies of successful responses, as types. The OpenAPI document is generated from them."""

from typing import Annotated, Literal

import msgspec
from aiohttp import web

from reference_server.model.record import Rejected

NO_STORE = {"Cache-Control": "no-store"}

Count = Annotated[int, msgspec.Meta(ge=0)]
PositiveCount = Annotated[int, msgspec.Meta(ge=1)]
AcceptedCount = Annotated[
    int, msgspec.Meta(ge=0, description="Records that the client may delete, including duplicates.")
]
ContentEncoding = Literal["gzip"]

ACCEPT_ENCODINGS: list[ContentEncoding] = ["gzip"]
"""The content encodings that a worker may use for its bodies."""


class ConfigurationResponse(msgspec.Struct):
    """The configuration of a worker, and the content encodings that its bodies may have."""

    disable_ui_telemetry: bool
    disable_ui_events: list[str]
    ui_rollout_percentage: float
    accept_encodings: list[ContentEncoding]


class AcceptedResponse(msgspec.Struct):
    """The batch is stored. A count of 0 and an empty list are left out."""

    status: Literal["success"]
    accepted: AcceptedCount
    duplicates: PositiveCount | msgspec.UnsetType = msgspec.UNSET
    rejected: list[Rejected] | msgspec.UnsetType = msgspec.UNSET
    rejected_unlisted: PositiveCount | msgspec.UnsetType = msgspec.UNSET


class DisabledResponse(msgspec.Struct):
    """Telemetry is disabled: nothing is stored, and the worker must stop."""

    status: Literal["disabled"]


class HealthResponse(msgspec.Struct):
    """The server is running. Whether it can store records is another question: see `ReadyResponse`."""

    status: Literal["ok"]
    version: str


class ReadyResponse(msgspec.Struct):
    """The server can store records now, or tell workers to stop: a request would not get 503."""

    status: Literal["ready"]


def create_response(content: object) -> web.Response:
    """Create an uncached JSON response from one of these types."""
    return web.Response(
        body=msgspec.json.encode(content), headers=NO_STORE, content_type="application/json", charset="utf-8"
    )
