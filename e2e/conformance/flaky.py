"""Run the cases repeatedly, each time in another random order, and report every verdict that differs.

Each run is `python -m e2e.conformance.cli` in its own process. A difference is reported with the run and its
seed for --shuffle, which repeats the order of that run. The exit status is 1 if a verdict differs or a run is
incomplete.
"""

from __future__ import annotations

import argparse
import json
import os
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
from e2e.conformance.report.formats.step_summary import VARIABLE as STEP_SUMMARY
from e2e.conformance.report.results_file import RESULTS_FILE
from e2e.conformance.selection.options import parse_positive_integer

SEED_LIMIT = 1_000_000
EXIT_SAME = 0
EXIT_DIFFERENT = 1
EXIT_INTERRUPTED = 130
NOT_JUDGED = "not judged"

Verdicts = Mapping[tuple[str, str], str]
"""By implementation and case id."""


@dataclass(frozen=True)
class Run:
    """One run: its number from 1, the seed of its order, its verdicts, and why it is incomplete."""

    number: int
    seed: int
    verdicts: Verdicts
    problems: tuple[str, ...] = ()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return the exit status."""
    options, verify_arguments = _build_parser().parse_known_args(arguments)
    first_seed = options.seed if options.seed is not None else random.randrange(SEED_LIMIT)
    runs: list[Run] = []
    try:
        for number in range(1, options.runs + 1):
            started = time.monotonic()
            runs.append(run_once(number, first_seed + number - 1, verify_arguments))
            print(_format_progress(runs, options.runs, time.monotonic() - started), flush=True)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    problems = list_differences(runs)
    print(*problems, sep="\n")
    judged = len({key for run in runs for key in run.verdicts})
    print(
        f"{len(runs)} runs of {judged} verdicts: {f'{len(problems)} differ' if problems else 'none differ'}."
    )
    return EXIT_DIFFERENT if problems else EXIT_SAME


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/flakes",
        description=__doc__,
        epilog="All other arguments are those of scripts/verify, such as --worker, --case and -n.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("runs", type=parse_positive_integer, metavar="N", help="number of runs")
    parser.add_argument(
        "--seed",
        type=int,
        metavar="SEED",
        help="seed of the first run; each further run adds 1 (default: random)",
    )
    return parser


def run_once(number: int, seed: int, verify_arguments: Sequence[str]) -> Run:
    """Run the cases once, in the order of this seed. Wrong use exits with the message of scripts/verify."""
    with tempfile.TemporaryDirectory(prefix="flakes-") as folder:
        command = [
            sys.executable,
            "-m",
            "e2e.conformance.cli",
            f"--shuffle={seed}",
            *verify_arguments,
            f"--report={folder}",
        ]
        # The summary of a CI run is not for verdicts of many runs.
        environment = {name: value for name, value in os.environ.items() if name != STEP_SUMMARY}
        done = subprocess.run(
            command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, errors="replace"
        )
        file = Path(folder, RESULTS_FILE)
        if not file.exists():
            sys.exit(f"run {number} with --shuffle {seed} left no results:\n{done.stdout}{done.stderr}")
        results = json.loads(file.read_text(encoding="utf-8"))
    verdicts = {
        (name, case_id): str(case["verdict"])
        for name, implementation in results["implementations"].items()
        for case_id, case in implementation["cases"].items()
    }
    return Run(number, seed, verdicts, tuple(results.get("problems", ())))


def list_differences(runs: Sequence[Run]) -> list[str]:
    """Return a sentence for every verdict that differs from the usual one, and every incomplete run."""
    sentences = [
        f"run {run.number} (--shuffle {run.seed}) is incomplete: {problem}"
        for run in runs
        for problem in run.problems
    ]
    for name, case_id in sorted({key for run in runs for key in run.verdicts}, key=_get_sort_key):
        by_verdict: dict[str, list[Run]] = defaultdict(list)
        for run in runs:
            by_verdict[run.verdicts.get((name, case_id), NOT_JUDGED)].append(run)
        usual = max(by_verdict, key=lambda verdict: len(by_verdict[verdict]))
        others = [
            f"{verdict} in run {run.number} (--shuffle {run.seed})"
            for verdict, found in by_verdict.items()
            for run in found
            if verdict != usual
        ]
        if others:
            sentences.append(f"{case_id} on {name}: {usual}, but {', '.join(others)}")
    return sentences


def _get_sort_key(key: tuple[str, str]) -> tuple[str, tuple[str, int, int]]:
    return key[0], sort_key(key[1])


def _format_progress(runs: Sequence[Run], total: int, seconds: float) -> str:
    run = runs[-1]
    counts = Counter(run.verdicts.values())
    found = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items())) or "no verdicts"
    differences = len(list_differences(runs))
    width = len(str(total))
    return (
        f"[{run.number:>{width}}/{total}] --shuffle {run.seed}: {found} in {seconds:.0f} s;"
        f" {differences or 'none'} {'differs' if differences == 1 else 'differ'} so far"
    )


if __name__ == "__main__":
    sys.exit(main())
