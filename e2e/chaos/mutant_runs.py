"""Run the chaos on mutants: each until it is found, or the time is over."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from e2e.chaos.environment import Environment
from e2e.chaos.mutants import ChaosMutant
from e2e.chaos.runner import STEPS_PER_SYSTEM, Run
from e2e.chaos.server import ChaosServer
from e2e.mutants.model import StaleMutantError, Target

REASON_CHARACTERS = 90


@dataclass(frozen=True)
class MutantFinding:
    """Whether the chaos found a mutant, after which time and steps; `reason`: what it saw."""

    mutant: str
    is_found: bool
    seconds: float
    steps: int
    reason: str

    def format(self, name_width: int) -> str:
        """Return a line of the table."""
        reason = " ".join(self.reason.split())
        if len(reason) > REASON_CHARACTERS:
            reason = f"{reason[: REASON_CHARACTERS - 1]}…"
        word = "found" if self.is_found else "NOT FOUND"
        return (
            f"{self.mutant:<{name_width}}  {word:<9}  {self.seconds:4.0f} s  {self.steps:5} steps  {reason}"
        )


@dataclass(frozen=True)
class MutantRuns:
    """Runs of one environment. `seconds`: the limit of each.

    `is_focused`: draw the steps that meet a mutant's fault more often.
    """

    environment: Environment
    seed: int
    seconds: float
    launch_arguments: dict[str, Any]
    is_focused: bool = False
    is_stopped: Callable[[], bool] = lambda: False
    steps_per_system: int = STEPS_PER_SYSTEM

    def run_all(
        self, mutants: Iterable[ChaosMutant], print_line: Callable[[str], None]
    ) -> list[MutantFinding]:
        """Run one mutant after the other, and print a line for each."""
        mutants = list(mutants)
        width = max(len(mutant.name) for mutant in mutants)
        findings = []
        for mutant in mutants:
            if self.is_stopped():
                break
            findings.append(self.run(mutant))
            print_line(findings[-1].format(width))
        return findings

    def run(self, mutant: ChaosMutant) -> MutantFinding:
        """Run a mutant until the chaos finds something, or the time is over."""
        with tempfile.TemporaryDirectory(prefix="chaos-mutant-", ignore_cleanup_errors=True) as folder:
            try:
                copy = mutant.write_copy(Path(folder))
            except StaleMutantError as error:
                return MutantFinding(mutant.name, False, 0, 0, str(error))
            if mutant.target is Target.WORKER:
                return self._run(mutant, replace(self.environment, worker_directory=copy))
            data = Path(folder, "data")
            data.mkdir()
            server = ChaosServer(data, copy)
            try:
                return self._run(mutant, replace(self.environment, server=server))
            finally:
                server.stop()

    def _run(self, mutant: ChaosMutant, environment: Environment) -> MutantFinding:
        began = time.monotonic()
        run = Run(
            environment, self.seed, self.seconds, self.launch_arguments, self.is_stopped,
            print_line=lambda line: None, focus=mutant.rules if self.is_focused else (),
            steps_per_system=self.steps_per_system,
        )  # fmt: skip
        summary = run.run()
        reason = summary.problems[0].splitlines()[0] if summary.problems else mutant.description
        return MutantFinding(
            mutant.name, bool(summary.exit_status), time.monotonic() - began, summary.steps, reason
        )
