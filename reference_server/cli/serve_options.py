"""The options of the command `serve`."""

import argparse

from reference_server.app import DEFAULT_HOST
from reference_server.cli.arguments import parse_duration, parse_file, parse_size
from reference_server.cli.common import create_parser
from reference_server.cli.metrics_token import add_token_options
from reference_server.limits import (
    DEFAULT_BODY_TIMEOUT_SECONDS,
    DEFAULT_HEAD_TIMEOUT_SECONDS,
    DEFAULT_IDLE_TIMEOUT_SECONDS,
    DEFAULT_MAX_BODY_BYTES,
    DEFAULT_MAX_CONNECTIONS,
    DEFAULT_MAX_WAITING_BYTES,
    DEFAULT_MAX_WAITING_RECORDS,
)
from reference_server.middleware.allowed_hosts import LOOPBACK_HOSTS
from reference_server.storage.guarded_database import IN_MEMORY
from reference_server.storage.retention import MIN_MAX_BYTES
from reference_server.storage.sqlite import LOCK_WAIT_SECONDS
from reference_server.version import SERVER_VERSION

DESCRIPTION = """\
Run a minimal UI telemetry server. It sends workers their configuration, takes their records, and stores them
in SQLite. It logs its address when it listens, and stops on SIGINT and SIGTERM with status 0.
"""
EPILOG = """\
The configuration is a JSON object:
  {"disable_telemetry": false, "disable_ui_telemetry": false,
   "disable_ui_events": ["component.id"], "ui_rollout_percentage": 100}
A switch that is true disables telemetry, and two that are false enable it. While the configuration cannot be
read, the last one that could be read holds, for a week. Without one, and while a switch is missing or not a
boolean, requests get 503, so that workers keep their records. A percentage of a wrong type counts as 0.

Telemetry is also disabled by MLFLOW_DISABLE_TELEMETRY unless it is 0 or false, by DO_NOT_TRACK if it is 1,
true, yes or on, and by the presence of CI and other variables of CI services. Then no configuration is read.

Other commands work on a database, also while a server writes to it; each has a --help:
  stats         print how many events are stored and how many are missing
  export        write the records as JSON lines, CSV or Parquet
  dead-letters  write what the server rejected
  check         say whether the database is sound
  backup        write a verified copy, and how to restore it
  prune         delete records by age, or all of one installation
"""


def create_serve_parser() -> argparse.ArgumentParser:
    """Create the parser of the command."""
    parser = create_parser("", DESCRIPTION, EPILOG)
    _add_address_options(parser)
    parser.add_argument(
        "--config",
        metavar="FILE|URL",
        help="the configuration: a JSON file, which is read for every request, or an http(s) URL, "
        f"in which {{version}} is replaced by {SERVER_VERSION} (default: none, requests get 503)",
    )
    _add_storage_options(parser)
    _add_limit_options(parser)
    add_token_options(parser)
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
        type=_parse_database,
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

    parser.add_argument(
        "--max-age",
        type=parse_duration,
        metavar="AGE",
        help="delete records that arrived earlier, such as 90d or 12h, in the background "
        "(default: keep them)",
    )
    parser.add_argument(
        "--max-size",
        type=parse_size,
        metavar="SIZE",
        help="delete the oldest records while the database needs more than this, such as 500MB or 2GiB; the "
        f"write-ahead log beside it takes some MB more; at least {MIN_MAX_BYTES // 1024**2}MiB "
        "(default: no limit)",
    )


def _parse_database(text: str) -> str:
    return str(parse_file(text))


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
        "--head-timeout",
        type=float,
        default=DEFAULT_HEAD_TIMEOUT_SECONDS,
        metavar="SECONDS",
        help="the longest time for receiving the head of a request (default: %(default)s)",
    )
    parser.add_argument(
        "--idle-timeout",
        type=float,
        default=DEFAULT_IDLE_TIMEOUT_SECONDS,
        metavar="SECONDS",
        help="how long a connection is kept for the next request (default: %(default)s)",
    )
    parser.add_argument(
        "--max-connections",
        type=int,
        default=DEFAULT_MAX_CONNECTIONS,
        metavar="N",
        help="how many connections may be open; then a new one closes the one that has waited longest for "
        "its client (default: %(default)s, fewer where the process may open few files)",
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
