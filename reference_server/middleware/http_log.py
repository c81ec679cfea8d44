"""What goes into the log about clients that send what is not HTTP: one line each, not a stack trace."""

import logging

from aiohttp.http_exceptions import HttpProcessingError


class _WithoutTraces(logging.Filter):
    """Tells of a client's mistake in short: anyone can have the server write of it, as often as they like."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let everything pass, the client's own mistakes in short."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError):
            record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
            record.msg = f"{record.msg}: not HTTP ({type(error).__name__})"
            record.exc_info = None
        return True


http_logger = logging.getLogger("reference_server.http")
"""For what aiohttp has to say about connections."""

http_logger.addFilter(_WithoutTraces())
