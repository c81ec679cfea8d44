"""The logger for requests that are not HTTP: one line each instead of a stack trace."""

import logging

from aiohttp.http_exceptions import HttpProcessingError


class _TracebackFilter(logging.Filter):
    """Shortens entries about malformed requests: a client can cause any number of them."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every entry pass; strip the traceback of a malformed request."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError):
            record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
            record.msg = f"{record.msg}: not HTTP ({type(error).__name__})"
            record.exc_info = None
        return True


http_logger = logging.getLogger("reference_server.http")
"""The logger that aiohttp uses for connections."""

http_logger.addFilter(_TracebackFilter())
