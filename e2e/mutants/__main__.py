"""The proof that the suite catches defects: every broken one is run, in one run, on the cases named for it.

Prints the kill matrix, and which cases no broken one has ever been seen to fail. The exit status is 1 where
a broken one survives, or a case has neither a broken partner nor a reason in `unpartnered.toml`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from e2e.conformance.case import Verdict, sort_key
from e2e.conformance.paths import CHECKOUT
from e2e.conformance.report.results import RESULTS_FILE
from e2e.conformance.targets.toml_file import load_reasons
from e2e.mutants.model import EXEMPTIONS_FILE, MUTANTS_FOLDER, Mutant, build, load_mutants
from e2e.mutants.server_model import SERVER_MUTANTS_FOLDER, build_server

DEFAULT_PROCESSES = 2
ACTUAL_CHARACTERS = 70


@dataclass(frozen=True)
class MutantResult:
    """A defect and a case that has to catch it. `said` is what the case saw, or why it saw nothing.

    A case that broke off by an error of its own has caught nothing: only a finding is about the requirement.
    """

    defect: str
    case: str
    caught: bool
    said: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives the exit status."""
    parser = argparse.ArgumentParser(prog="scripts/mutants", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="broken ones, also as a pattern like 'flush-*'"
    )
    parser.add_argument("-n", dest="processes", default=str(DEFAULT_PROCESSES), metavar="N", help="processes")
    options = parser.parse_args(arguments)
    workers = _named(load_mutants(), options.names)
    servers = _named(load_mutants(SERVER_MUTANTS_FOLDER), options.names)
    if not workers + servers:
        parser.error(f"no broken one is called {' or '.join(options.names)}")
    print(f"{len(workers)} broken workers and {len(servers)} broken servers ...", flush=True)
    meetings = meet(workers, servers, options.processes)
    print(*matrix(meetings), sep="\n")
    problems = survivors(meetings)
    if not options.names:
        problems += unproven(all_cases(), workers + servers, reasons())
    print(*problems, sep="\n")
    names = {meeting.defect for meeting in meetings}
    survived = {meeting.defect for meeting in meetings if not meeting.caught}
    print(f"{len(names - survived)} of {len(names)} broken ones are caught by all of their cases.")
    return 1 if problems else 0


def _named(defects: list[Mutant], patterns: Collection[str]) -> list[Mutant]:
    chosen = [each for each in defects if any(fnmatchcase(each.name, pattern) for pattern in patterns)]
    return chosen if patterns else defects


def meet(workers: Sequence[Mutant], servers: Sequence[Mutant], processes: str) -> list[MutantResult]:
    """Let every defect meet its cases. Raises RuntimeError, with what pytest said, where the run failed."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as place:
        folder = Path(place)
        systems = [f"--worker={build(defect, folder)}" for defect in workers]
        systems += [f"--server={build_server(defect, folder)}" for defect in servers]
        command = [sys.executable, "-m", "pytest", "e2e", *systems, "-m", "case", "-n", processes]
        # An output folder of its own: pytest-playwright empties the one it is given.
        command += [f"--report={folder}", f"--output={folder / 'test-results'}"]
        command += ["--tb=no", "-p", "no:cacheprovider"]
        # In a process of its own: these cases have to fail, and whoever asks may be a test.
        run = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, errors="replace")
        try:
            results = json.loads((folder / RESULTS_FILE).read_text(encoding="utf-8"))["implementations"]
        except FileNotFoundError:
            raise RuntimeError(f"there are no results:\n{run.stdout[-4000:]}{run.stderr[-4000:]}") from None
    return [
        _meeting(defect.name, case_id, results.get(defect.name, {"cases": {}})["cases"].get(case_id))
        for defect in [*workers, *servers]
        for case_id in sorted(defect.killed_by, key=sort_key)
    ]


def _meeting(defect: str, case_id: str, judged: Mapping[str, Any] | None) -> MutantResult:
    if judged is None:
        return MutantResult(defect, case_id, False, "there is no such case, or it was not judged")
    said = str(judged["actual"])
    does_not_hold = judged["verdict"] in (Verdict.FAILED.value, Verdict.NON_STRICT.value)
    return MutantResult(defect, case_id, does_not_hold and not judged.get("broke_off", False), said)


def matrix(meetings: Sequence[MutantResult]) -> Iterator[str]:
    """The kill matrix as text: only the places that are not empty, a line each."""
    name_width = max(len(meeting.defect) for meeting in meetings)
    case_width = max(len(meeting.case) for meeting in meetings)
    last = ""
    for meeting in meetings:
        name = "" if meeting.defect == last else meeting.defect
        last = meeting.defect
        word = "caught  " if meeting.caught else "SURVIVED"
        said = " ".join(meeting.said.split())
        shown = said if len(said) <= ACTUAL_CHARACTERS else f"{said[: ACTUAL_CHARACTERS - 1]}…"
        yield f"{name:<{name_width}}  {meeting.case:<{case_width}}  {word}  {shown}"


def survivors(meetings: Sequence[MutantResult]) -> list[str]:
    """A sentence for every defect that a case did not catch."""
    return [
        f"{meeting.defect} survives {meeting.case}: {meeting.said}"
        for meeting in meetings
        if not meeting.caught
    ]


def unproven(case_ids: Collection[str], defects: Sequence[Mutant], reasons: Mapping[str, str]) -> list[str]:
    """A sentence for every case without a proof that it can fail, and for every reason that is none."""
    partnered = {case_id for defect in defects for case_id in defect.killed_by}
    lonely = sorted(set(case_ids) - partnered - reasons.keys(), key=sort_key)
    needless = sorted(reasons.keys() & partnered, key=sort_key)
    unknown = sorted(reasons.keys() - set(case_ids), key=sort_key)
    return [
        *(f"{each} kills nothing: give it a broken partner, or a reason" for each in lonely),
        *(f"{each} has a broken partner: remove it from {EXEMPTIONS_FILE}" for each in needless),
        *(f"{each} is no case: remove it from {EXEMPTIONS_FILE}" for each in unknown),
    ]


def all_cases() -> list[str]:
    """The ids of all cases. Raises subprocess.CalledProcessError where they cannot be collected."""
    command = [sys.executable, "-m", "e2e.conformance.cli", "--list"]
    listed = subprocess.run(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, check=True).stdout
    return [line.split()[0] for line in listed.splitlines()]


def reasons(path: Path = MUTANTS_FOLDER / EXEMPTIONS_FILE) -> dict[str, str]:
    """Why a case has no broken partner, by its id. Raises ImplementationError for another shape."""
    return load_reasons(path)


if __name__ == "__main__":
    sys.exit(main())
