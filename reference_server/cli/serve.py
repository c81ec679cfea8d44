"""`python -m reference_server` and `python -m reference_server serve`: run a server until it is stopped."""

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from types import FrameType

from reference_server.api.admission import DEFAULT_MAX_WAITING_BYTES, DEFAULT_MAX_WAITING_RECORDS
from reference_server.api.request_body import DEFAULT_BODY_TIMEOUT_SECONDS
from reference_server.app import DEFAULT_HOST, DEFAULT_MAX_BODY_BYTES, ReferenceServer
from reference_server.cli.common import fail, new_parser
from reference_server.config.sources import SERVER_VERSION
from reference_server.errors import StoreUnavailableError
from reference_server.middleware.allowed_hosts import LOOPBACK_HOSTS, default_hosts
from reference_server.storage.store import IN_MEMORY, LOCK_WAIT_SECONDS, SqliteStore

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

Other commands read a database, also while a server writes it: see `export --help` and `stats --help`.
"""

SWITCH_INTERVAL_SECONDS = 0.0005
"""After so long a thread that takes batches apart or stores them lets the event loop have its turn. With
Python's own 5 ms, which pass several times a request, a worker waits noticeably for its configuration."""

logger = logging.getLogger("reference_server")


def main(arguments: Sequence[str]) -> int:
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
            store=SqliteStore(options.database, lock_wait_seconds=options.lock_wait),
            max_body=options.max_body,
            body_timeout_seconds=options.body_timeout,
            max_waiting_records=options.max_waiting_records,
            max_waiting_bytes=options.max_waiting_bytes,
            allowed_hosts=options.allowed_host or default_hosts(options.host),
        )
    except ValueError as error:
        parser.error(str(error))
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    try:
        asyncio.run(_serve(server))
    except StoreUnavailableError as error:
        return fail(str(error))
    except (OSError, OverflowError) as error:  # OverflowError: a port above 65535
        return fail(f"cannot listen on {options.host}:{options.port}: {error}")
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


def _parser() -> argparse.ArgumentParser:
    parser = new_parser("", DESCRIPTION, EPILOG)
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
        "--lock-wait",
        type=float,
        default=LOCK_WAIT_SECONDS,
        metavar="SECONDS",
        help="how long a batch waits while another process holds the database (default: %(default)s)",
    )
    parser.add_argument(
        "--max-body",
        type=int,
        default=DEFAULT_MAX_BODY_BYTES,
        metavar="BYTES",
        help="the largest body of a request (default: %(default)s)",
    )
    parser.add_argument(
        "--body-timeout",
        type=float,
        default=DEFAULT_BODY_TIMEOUT_SECONDS,
        metavar="SECONDS",
        help="how long a body may take to come (default: %(default)s)",
    )
    parser.add_argument(
        "--max-waiting-records",
        type=int,
        default=DEFAULT_MAX_WAITING_RECORDS,
        metavar="N",
        help="how many records may wait to be stored before batches are refused (default: %(default)s)",
    )
    parser.add_argument(
        "--max-waiting-bytes",
        type=int,
        default=DEFAULT_MAX_WAITING_BYTES,
        metavar="BYTES",
        help="how much of their bodies may (default: %(default)s)",
    )
    parser.add_argument(
        "--allowed-host",
        action="append",
        metavar="NAME",
        help="a host, without a port, that requests may be for; may be repeated; * allows all "
        f"(default: {', '.join(LOOPBACK_HOSTS)}, and the address to listen on)",
    )
    return parser
