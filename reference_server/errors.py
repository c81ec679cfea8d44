"""The exceptions of this package, and the error response that a client gets.

Every response that is not a success is JSON: `{"error": code, "message": text}`, with `"field"` if one field
of the request is at fault. Codes are stable. Messages are for people and may change.
"""

from collections.abc import Mapping

import msgspec
from aiohttp import web

RETRY_AFTER_SECONDS = 5
"""The `Retry-After` of a response that refuses records which the server cannot store now."""


class ReferenceServerError(Exception):
    """The base class of this package's exceptions."""


class ConfigurationUnreadableError(ReferenceServerError):
    """The source of the configuration cannot be read, or holds no configuration."""


class ConfigurationUnknownError(ReferenceServerError):
    """It is unknown whether telemetry is enabled: nothing is stored, and no worker is told to stop."""


class StoreUnavailableError(ReferenceServerError):
    """The store cannot be opened or read, or did not store the records: none of them is stored."""


class ErrorResponse(msgspec.Struct):
    """The body of an error response. `error` is a stable code, `message` is for people."""

    error: str
    message: str
    field: str | msgspec.UnsetType = msgspec.UNSET


class WireError(ReferenceServerError):
    """A request is refused with an HTTP status, a stable error code and a message for people."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.field = field
        self.headers = dict(headers or {})

    def to_response(self) -> web.Response:
        """Return the HTTP response for this error."""
        field = msgspec.UNSET if self.field is None else self.field
        body = msgspec.to_builtins(ErrorResponse(self.code, self.message, field))
        headers = {"Cache-Control": "no-store", **self.headers}
        return web.json_response(body, status=self.status, headers=headers)
