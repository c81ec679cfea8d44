"""The command `python -m reference_server`, with the subcommands serve (the default), export and stats."""

import sys
from collections.abc import Sequence

from reference_server.cli import export, serve, stats

COMMANDS = {
    "serve": serve.main,
    "export": export.main,
    "stats": stats.main,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the subcommand that the first argument names and return the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] in COMMANDS:
        return COMMANDS[given[0]](given[1:])
    return serve.main(given)


if __name__ == "__main__":
    sys.exit(main())
