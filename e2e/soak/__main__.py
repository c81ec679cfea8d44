"""Run a server under load while its process, its files and its connections suffer.

Clients post batches, send again what is not acknowledged, and read the configuration, which never disables
telemetry. Afterwards the server is killed and started again, and its store is compared with what was
acknowledged. Prints a line of figures for each scenario, in records:

  sent          posted at least once
  acknowledged  responded to with success, and to be stored; "destroyed" were acknowledged before somebody
                destroyed the store
  lost, doubled acknowledged and not stored; stored more than once
  disabled      responses that tell a worker to stop, although the configuration does not

exit status:
  0    nothing is lost, doubled or disabled, and the server recovered by itself
  1    the promise is broken; the reason is printed
  2    wrong use
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from e2e.conformance.paths import CHECKOUT
from e2e.soak.scenarios import SCENARIOS
from e2e.soak.trial import NotRecoveredError, Options, Trial

COLUMNS = (
    "scenario",
    "sent",
    "acknowledged",
    "destroyed",
    "stored",
    "lost",
    "doubled",
    "disabled",
    "503",
    "none",
)
LINE = "{:<20}{:>9}{:>13}{:>10}{:>9}{:>6}{:>8}{:>9}{:>7}{:>6}{:>11}{:>9}  {}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the scenarios, print the figures, and return the exit status."""
    options = _parse(arguments)
    print(LINE.format(*COLUMNS, "slowest", "gap", ""), flush=True)
    began_at = time.monotonic()
    failed = [name for name in options.scenarios or SCENARIOS if not run(name, options)]
    print(f"{time.monotonic() - began_at:.0f} s")
    if failed:
        print(f"The promise is broken: {', '.join(failed)}.")
    return 1 if failed else 0


def run(name: str, options: argparse.Namespace) -> bool:
    """Run one scenario and print its line. Return whether the server kept its promise."""
    figures = Options(options.package.resolve(), options.kills, options.stops, options.connections)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        trial = Trial(name, Path(folder), figures)
        try:
            SCENARIOS[name](trial)
            trial.settle()
        except NotRecoveredError as error:
            trial.fail(str(error))
            trial.check()
        except RuntimeError as error:  # The server did not start.
            trial.fail(str(error)[-500:])
        finally:
            trial.close()
        print(format_line(trial), flush=True)
        for failure in dict.fromkeys(trial.failures):
            print(f"  {failure}", flush=True)
        return not trial.failures and not trial.ledger.disabled


def format_line(trial: Trial) -> str:
    """Return the figures of a scenario."""
    ledger, balance = trial.ledger, trial.balance
    sent = sum(len(batch.keys) for batch in ledger.batches)
    unanswered = sum(count for status, count in ledger.statuses.items() if not status.isdigit())
    figures = (
        (balance.required, balance.destroyed, balance.stored, balance.lost, balance.doubled)
        if balance is not None
        else ("?",) * 5
    )
    return LINE.format(
        trial.name,
        sent,
        *figures,
        ledger.disabled,
        ledger.statuses["503"],
        unanswered,
        f"{ledger.slowest_seconds:.2f} s",
        f"{ledger.longest_gap_seconds:.1f} s",
        trial.note,
    )


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/soak-server",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "scenarios",
        nargs="*",
        metavar="SCENARIO",
        choices=[[], *SCENARIOS],
        help=f"one of {', '.join(SCENARIOS)} (default: all)",
    )
    parser.add_argument("--kills", type=int, default=20, help="SIGKILLs (default: %(default)s)")
    parser.add_argument("--stops", type=int, default=5, help="SIGTERMs (default: %(default)s)")
    parser.add_argument(
        "--connections", type=int, default=5_000, help="slow connections (default: %(default)s)"
    )
    parser.add_argument(
        "--package",
        type=Path,
        default=CHECKOUT / "reference_server",
        metavar="FOLDER",
        help="the server, a package with the command line of the reference (default: %(default)s)",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
