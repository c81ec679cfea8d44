"""The options of the command `serve`."""

import argparse

from reference_server.app import DEFAULT_HOST
from reference_server.cli.common import create_parser
from reference_server.limits import (
    DEFAULT_BODY_TIMEOUT_SECONDS,
    DEFAULT_MAX_BODY_BYTES,
    DEFAULT_MAX_WAITING_BYTES,
    DEFAULT_MAX_WAITING_RECORDS,
)
from reference_server.middleware.allowed_hosts import LOOPBACK_HOSTS
from reference_server.storage.sqlite import IN_MEMORY, LOCK_WAIT_SECONDS
from reference_server.version import SERVER_VERSION

DESCRIPTION = """\
Run a minimal UI telemetry server. It sends workers their configuration, takes their records, and stores them
in SQLite. It logs its address when it listens, and stops on SIGINT and SIGTERM with status 0.
"""
EPILOG = """\
The configuration is a JSON object:
  {"disable_telemetry": false, "disable_ui_telemetry": false,
   "disable_ui_events": ["component.id"], "ui_rollout_percentage": 100}
A value that is missing or of a wrong type counts as: telemetry disabled, no event filtered, 0 %.

The variables MLFLOW_DISABLE_TELEMETRY and DO_NOT_TRACK also disable telemetry if one is 1, true, yes or on.

Other commands read a database, even while a server writes to it: see `export --help` and `stats --help`.
"""


def create_serve_parser() -> argparse.ArgumentParser:
    """Create the parser of the command."""
    parser = create_parser("", DESCRIPTION, EPILOG)
    _add_address_options(parser)
    parser.add_argument(
        "--config",
        metavar="FILE|URL",
        help="the configuration: a JSON file, which is read for every request, or an http(s) URL, "
        f"in which {{version}} is replaced by {SERVER_VERSION} (default: none, telemetry is disabled)",
    )
    _add_storage_options(parser)
    _add_limit_options(parser)
    return parser


def _add_address_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--host",
        default=DEFAULT_HOST,
        help="the address to listen on (default: %(default)s, this machine only)",
    )
    parser.add_argument(
        "--port", type=int, default=0, help="the port to listen on (default: %(default)s, any free port)"
    )
    parser.add_argument(
        "--prefix",
        default="",
        metavar="PATH",
        help="a path before every URL, such as /app (default: none)",
    )
    parser.add_argument(
        "--allowed-host",
        action="append",
        metavar="NAME",
        help="a host, without a port, that requests may be for; repeatable; * allows all "
        f"(default: {', '.join(LOOPBACK_HOSTS)}, and the address to listen on)",
    )


def _add_storage_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--database",
        default=IN_MEMORY,
        metavar="FILE",
        help="the SQLite file for the records, created if missing "
        "(default: %(default)s, deleted when the server stops)",
    )
    parser.add_argument(
        "--lock-wait",
        type=float,
        default=LOCK_WAIT_SECONDS,
        metavar="SECONDS",
        help="how long a batch waits while another process locks the database (default: %(default)s)",
    )


def _add_limit_options(parser: argparse.ArgumentParser) -> None:
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
        help="the longest time for receiving a body (default: %(default)s)",
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
        help="how many bytes of bodies may wait before batches are refused (default: %(default)s)",
    )
