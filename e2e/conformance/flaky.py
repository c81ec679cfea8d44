"""Run the cases repeatedly, each time in another random order, and report every verdict that differs.

Each run is `python -m e2e.conformance.cli` in its own process. What differs is named with the run and its
number for --shuffle, under which it can be tried again. The exit status is 1 where a verdict differs or a
run is not whole.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from e2e.conformance.case import sort_key
from e2e.conformance.paths import CHECKOUT
from e2e.conformance.report.results import RESULTS_FILE
from e2e.conformance.selection.options import parse_positive_integer

SEED_LIMIT = 1_000_000
EXIT_SAME = 0
EXIT_DIFFERS = 1
EXIT_INTERRUPTED = 130
NOT_JUDGED = "not judged"

Verdicts = Mapping[tuple[str, str], str]
"""By implementation and case id."""


@dataclass(frozen=True)
class Run:
    """One run: its number from 1, the seed of its order, what it found, and why it is not whole."""

    number: int
    seed: int
    verdicts: Verdicts
    problems: tuple[str, ...] = ()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives the exit status."""
    options, passed_on = _parser().parse_known_args(arguments)
    first_seed = options.seed if options.seed is not None else random.randrange(SEED_LIMIT)
    runs: list[Run] = []
    try:
        for number in range(1, options.runs + 1):
            started = time.monotonic()
            run = run_once(number, first_seed + number - 1, passed_on)
            runs.append(run)
            print(_progress(runs, options.runs, time.monotonic() - started), flush=True)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    problems = differences(runs)
    print(*problems, sep="\n")
    judged = len({key for run in runs for key in run.verdicts})
    print(
        f"{len(runs)} runs of {judged} verdicts: {f'{len(problems)} differ' if problems else 'none differ'}."
    )
    return EXIT_DIFFERS if problems else EXIT_SAME


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/flakes",
        description=__doc__,
        epilog="All other arguments are those of scripts/verify, such as --worker, --case and -n.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("runs", type=parse_positive_integer, metavar="N", help="how many times")
    parser.add_argument(
        "--seed", type=int, metavar="SEED", help="of the first run; each further one adds 1 (default: any)"
    )
    return parser


def run_once(number: int, seed: int, passed_on: Sequence[str]) -> Run:
    """Run the cases once in the order of this seed. Wrong use ends the program with verify's own words."""
    with tempfile.TemporaryDirectory(prefix="flakes-") as folder:
        command = [
            sys.executable,
            "-m",
            "e2e.conformance.cli",
            f"--shuffle={seed}",
            *passed_on,
            f"--report={folder}",
        ]
        done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, errors="replace")
        file = Path(folder, RESULTS_FILE)
        if not file.exists():
            sys.exit(f"run {number} with --shuffle {seed} left no results:\n{done.stdout}{done.stderr}")
        results = json.loads(file.read_text(encoding="utf-8"))
    verdicts = {
        (name, case_id): str(judged["verdict"])
        for name, found in results["implementations"].items()
        for case_id, judged in found["cases"].items()
    }
    return Run(number, seed, verdicts, tuple(results.get("problems", ())))


def differences(runs: Sequence[Run]) -> list[str]:
    """A sentence for every verdict that some run sees otherwise than most, and for every run not whole."""
    sentences = [
        f"run {run.number} (--shuffle {run.seed}) is not whole: {problem}"
        for run in runs
        for problem in run.problems
    ]
    for name, case_id in sorted({key for run in runs for key in run.verdicts}, key=_order):
        by_verdict: dict[str, list[Run]] = defaultdict(list)
        for run in runs:
            by_verdict[run.verdicts.get((name, case_id), NOT_JUDGED)].append(run)
        usual = Counter({verdict: len(found) for verdict, found in by_verdict.items()}).most_common(1)[0][0]
        others = [
            f"{verdict} in run {run.number} (--shuffle {run.seed})"
            for verdict, found in by_verdict.items()
            for run in found
            if verdict != usual
        ]
        if others:
            sentences.append(f"{case_id} on {name}: {usual}, but {', '.join(others)}")
    return sentences


def _order(key: tuple[str, str]) -> tuple[str, tuple[str, int, int]]:
    return key[0], sort_key(key[1])


def _progress(runs: Sequence[Run], total: int, seconds: float) -> str:
    run = runs[-1]
    counts = Counter(run.verdicts.values())
    found = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items())) or "nothing"
    differ = len(differences(runs))
    width = len(str(total))
    return (
        f"[{run.number:>{width}}/{total}] --shuffle {run.seed}: {found} in {seconds:.0f} s;"
        f" {differ or 'none'} {'differs' if differ == 1 else 'differ'} so far"
    )


if __name__ == "__main__":
    sys.exit(main())
