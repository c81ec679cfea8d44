"""The command `python -m reference_server`, with the subcommands in COMMANDS; serve is the default."""

import sys
from collections.abc import Sequence

from reference_server.cli import backup, check, dead_letters, export, prune, serve, stats

COMMANDS = {
    "serve": serve.main,
    "stats": stats.main,
    "export": export.main,
    "dead-letters": dead_letters.main,
    "check": check.main,
    "backup": backup.main,
    "prune": prune.main,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the subcommand that the first argument names and return the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] in COMMANDS:
        return COMMANDS[given[0]](given[1:])
    return serve.main(given)


if __name__ == "__main__":
    sys.exit(main())
