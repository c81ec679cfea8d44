"""The middleware that converts exceptions of handlers to error responses."""

import logging

from aiohttp import web
from aiohttp.typedefs import Handler

from reference_server.errors import (
    RETRY_AFTER_SECONDS,
    ConfigurationUnknownError,
    StoreUnavailableError,
    WireError,
)

CODES_BY_STATUS = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}
"""Error codes for the statuses that aiohttp itself responds with."""

logger = logging.getLogger(__name__)


@web.middleware
async def convert_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Convert an exception to an error response. An unexpected exception is logged and becomes a 500."""
    try:
        return await handler(request)
    except WireError as error:
        return error.to_response()
    except StoreUnavailableError as error:
        logger.warning("records refused: %s", error)  # A client must not learn paths and statements.
        return _unavailable_error("store_unavailable", "the store is unavailable").to_response()
    except ConfigurationUnknownError:  # The source has logged it, once.
        reason = "it is unknown whether telemetry is enabled"
        return _unavailable_error("configuration_unknown", reason).to_response()
    except web.HTTPException as error:
        if error.status not in CODES_BY_STATUS:
            raise
        return _convert_http_exception(request, error).to_response()
    except (web.RequestPayloadError, ConnectionError) as error:
        # Not info: a client can cause any number of these.
        logger.debug("body of %s %s could not be read: %r", request.method, request.path, error)
        return WireError(400, "body_unreadable", "The body ended early or is badly encoded.").to_response()
    except Exception:
        logger.exception("unexpected failure in %s %s", request.method, request.path)
        return WireError(500, "internal_error", "The server failed; its log has the cause.").to_response()


def _unavailable_error(code: str, reason: str) -> WireError:
    return WireError(
        503,
        code,
        f"Nothing was stored, because {reason}; send it again later.",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )


def _convert_http_exception(request: web.Request, error: web.HTTPException) -> WireError:
    headers = {name: error.headers[name] for name in ("Allow",) if name in error.headers}
    message = f"{request.method} {request.path}: {error.reason}."
    return WireError(error.status, CODES_BY_STATUS[error.status], message, headers=headers)
