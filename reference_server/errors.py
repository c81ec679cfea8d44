"""What can go wrong, and how it is told to a client.

Every answer that is not a success is JSON: `{"error": code, "message": text}`, with `"field"` where one
field of the request is at fault. Codes are stable, messages are for a person and may change.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

RETRY_AFTER_SECONDS = 5
"""What a client is asked to wait when the store cannot take records."""

CODES_OF_STATUS = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}
"""Codes for the statuses that aiohttp itself answers with."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

logger = logging.getLogger(__name__)


class ReferenceServerError(Exception):
    """The root of this package's own exceptions."""


class ConfigurationUnreadableError(ReferenceServerError):
    """The source of the configuration gave no JSON object."""


class StoreUnavailableError(ReferenceServerError):
    """The store cannot be opened, or did not take the records: none of them is stored."""


class WireError(ReferenceServerError):
    """A request that is refused: the HTTP status, a stable code, and a message for a person."""

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

    def response(self) -> web.Response:
        """Give the answer that tells a client of this error."""
        body = {"error": self.code, "message": self.message}
        if self.field is not None:
            body["field"] = self.field
        headers = {"Cache-Control": "no-store", **self.headers}
        return web.json_response(body, status=self.status, headers=headers)


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever a handler raises into an answer in JSON; the unexpected is logged and becomes a 500."""
    try:
        return await handler(request)
    except WireError as error:
        return error.response()
    except StoreUnavailableError as error:
        logger.warning("records refused: %s", error)
        return WireError(
            503,
            "store_unavailable",
            f"Nothing of this request was stored: {error}.",
            headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
        ).response()
    except web.HTTPException as error:
        if error.status not in CODES_OF_STATUS:
            raise
        return _of_http_exception(request, error).response()
    except (web.RequestPayloadError, ConnectionError) as error:
        logger.info("body of %s %s could not be read: %r", request.method, request.path, error)
        return WireError(400, "body_unreadable", "The body ended early or is badly encoded.").response()
    except Exception:
        logger.exception("unexpected failure in %s %s", request.method, request.path)
        return WireError(500, "internal_error", "The server failed; its log says why.").response()


def _of_http_exception(request: web.Request, error: web.HTTPException) -> WireError:
    headers = {name: error.headers[name] for name in ("Allow",) if name in error.headers}
    message = f"{request.method} {request.path}: {error.reason}."
    return WireError(error.status, CODES_OF_STATUS[error.status], message, headers=headers)
