"""The command `python -m reference_server`."""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from types import FrameType

from reference_server.configuration_sources import SERVER_VERSION
from reference_server.errors import StoreUnavailable
from reference_server.server import DEFAULT_HOST, DEFAULT_MAX_BODY_BYTES, ReferenceServer
from reference_server.store import IN_MEMORY

PROGRAM = "python -m reference_server"
CANNOT_START = 2
"""The exit status for wrong use, and for a port or a database that cannot be had."""

DESCRIPTION = """\
A minimal server of UI telemetry. It tells workers their configuration, takes their records, and stores
them in SQLite. It logs its address when it listens, and stops on SIGINT and SIGTERM with status 0.
"""
EPILOG = """\
The configuration is a JSON object:
  {"disable_telemetry": false, "disable_ui_telemetry": false,
   "disable_ui_events": ["component.id"], "ui_rollout_percentage": 100}
A value that is missing or of a wrong type disables: no telemetry, no filter, 0 %.

Telemetry is disabled as well when MLFLOW_DISABLE_TELEMETRY or DO_NOT_TRACK is set to 1, true, yes or on.
"""

logger = logging.getLogger("reference_server")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the server until a signal stops it; give the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", stream=sys.stderr)
    try:
        server = ReferenceServer(
            host=options.host,
            port=options.port,
            prefix=options.prefix,
            config=options.config,
            database=options.database,
            max_body=options.max_body,
        )
    except ValueError as error:
        parser.error(str(error))
    try:
        asyncio.run(_serve(server))
    except StoreUnavailable as error:
        return _cannot_start(str(error))
    except (OSError, OverflowError) as error:  # OverflowError: a port above 65535
        return _cannot_start(f"cannot listen on {options.host}:{options.port}: {error}")
    return 0


async def _serve(server: ReferenceServer) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(stopped.set)

    with ExitStack() as handlers:
        for number in (signal.SIGINT, signal.SIGTERM):
            handlers.callback(signal.signal, number, signal.signal(number, stop))
        try:
            url = await server.start()
            logger.info("listening on %s", url)
            await stopped.wait()
        finally:
            await server.stop()
        logger.info("stopped")


def _cannot_start(reason: str) -> int:
    print(f"{PROGRAM}: error: {reason}", file=sys.stderr)
    return CANNOT_START


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--host",
        default=DEFAULT_HOST,
        help="the address to listen on (default: %(default)s, this machine alone)",
    )
    parser.add_argument(
        "--port", type=int, default=0, help="the port to listen on (default: %(default)s, any free one)"
    )
    parser.add_argument(
        "--prefix",
        default="",
        metavar="PATH",
        help="a path in front of every URL, such as /app (default: none)",
    )
    parser.add_argument(
        "--config",
        metavar="FILE|URL",
        help="the configuration: a JSON file, which is read again when it changes, or an http(s) URL, "
        f"in which {{version}} stands for {SERVER_VERSION} (default: none, telemetry is disabled)",
    )
    parser.add_argument(
        "--database",
        default=IN_MEMORY,
        metavar="FILE",
        help="the SQLite file that keeps the records, created when absent "
        "(default: %(default)s, lost at the stop)",
    )
    parser.add_argument(
        "--max-body",
        type=int,
        default=DEFAULT_MAX_BODY_BYTES,
        metavar="BYTES",
        help="the largest body of a request (default: %(default)s)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
