"""The options of `serve` for the token that requests for the metrics must carry."""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path

from reference_server.cli.arguments import parse_file

VARIABLE = "REFERENCE_SERVER_METRICS_TOKEN"
MAX_FILE_BYTES = 4_096


def add_token_options(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    token = parser.add_mutually_exclusive_group()
    token.add_argument(
        "--metrics-token",
        metavar="TOKEN",
        help="requests for /metrics must have the header Authorization: Bearer TOKEN. Other users of the "
        "machine can read it in the list of processes; safer: the next option, or the variable "
        f"{VARIABLE} (default: no token)",
    )
    token.add_argument(
        "--metrics-token-file",
        type=parse_file,
        metavar="FILE",
        help="the file that holds the token, read at the start",
    )


def read_token(options: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> str | None:
    """Return the token, None if there is none. An option takes precedence over the variable.

    Raise ValueError if the file cannot be read.
    """
    if options.metrics_token is not None:
        return str(options.metrics_token)
    if options.metrics_token_file is not None:
        return _read_file(options.metrics_token_file)
    return environ.get(VARIABLE)


def _read_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES).decode("ascii").strip()
    except OSError as error:
        raise ValueError(f"metrics token file {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"metrics token file {path}: not ASCII") from error
