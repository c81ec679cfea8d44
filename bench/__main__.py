"""Entry of `scripts/bench`."""

from __future__ import annotations

import argparse

import bench.client.cli
import bench.harness.cli
import bench.server.cli

SUBJECTS = {"client": bench.client.cli, "server": bench.server.cli, "harness": bench.harness.cli}


def main() -> None:
    """Parse the command line and run the benchmarks."""
    quick = argparse.ArgumentParser(add_help=False)
    quick.add_argument(
        "--quick",
        action="store_true",
        default=argparse.SUPPRESS,
        help="few rounds and few peers: shows that the benchmarks work, not how fast anything is",
    )
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description=bench.__doc__,
        parents=[quick],
        epilog="Without a subject: all three.",
    )
    subjects = parser.add_subparsers(dest="subject", metavar="{" + ",".join(SUBJECTS) + "}")
    for name, module in SUBJECTS.items():
        subject = subjects.add_parser(name, help=module.__doc__, parents=[quick])
        if hasattr(module, "add_arguments"):
            module.add_arguments(subject)
    options = parser.parse_args()
    is_quick = getattr(options, "quick", False)
    for name, module in SUBJECTS.items():
        if options.subject is None:
            print(f"\n== {name}")
            module.run(parser.parse_args([name], argparse.Namespace(quick=is_quick)))
        elif options.subject == name:
            options.quick = is_quick
            module.run(options)


if __name__ == "__main__":
    main()
