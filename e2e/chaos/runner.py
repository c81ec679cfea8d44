"""A timed run: one system after the other takes random steps, until the time is over."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Error as PlaywrightError

from e2e.chaos.checks import compare_with_model
from e2e.chaos.environment import Environment
from e2e.chaos.model import Verdict
from e2e.chaos.random_steps import RandomSteps
from e2e.chaos.step_log import BrokenPromiseError
from e2e.chaos.summary import Summary
from e2e.chaos.system import SystemUnderTest
from pytest_sharedworker.errors import SharedWorkerError

STEPS_PER_SYSTEM = 60
"""Then the system is checked: a problem is found near its cause, and the next system is fresh."""

PROGRESS_SECONDS = 5.0


@dataclass
class Run:
    """A run and its progress. `is_stopped` is called between steps, `print_line` gets the progress.

    `focus`: names of rules that are drawn more often.
    """

    environment: Environment
    seed: int
    seconds: float
    launch_arguments: dict[str, Any]
    is_stopped: Callable[[], bool]
    print_line: Callable[[str], None]
    focus: Collection[str] = ()
    steps_per_system: int = STEPS_PER_SYSTEM

    def __post_init__(self) -> None:
        self.summary = Summary()
        self._began = time.monotonic()
        self._printed = self._began

    def run(self) -> Summary:
        """Run until the time is over, a problem is found, or it is stopped."""
        number = 0
        while not self._is_over and self.summary.exit_status == 0:
            number += 1
            with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as profile:
                self._run_system(number, Path(profile))
        return self.summary

    @property
    def _is_over(self) -> bool:
        return self.is_stopped() or time.monotonic() - self._began > self.seconds

    def _run_system(self, number: int, profile: Path) -> None:
        # Each system has its own seed: the length of one does not change the steps of the next.
        generator = random.Random(f"{self.seed}/{number}")
        with self.environment.open_killable_system(f"s{number}", profile, self.launch_arguments) as system:
            verdict: Verdict | None = None
            try:
                self._take_steps(system, RandomSteps(system, generator, self.focus))
                verdict = compare_with_model(system)
                if not verdict.balanced:
                    self.summary.problems.append(
                        str(system.step_log.make_error(f"system {number}: {verdict}"))
                    )
            except BrokenPromiseError as error:
                self.summary.problems.append(str(error))
            except (SharedWorkerError, PlaywrightError) as error:
                # A flood keeps the clock from coming to rest, and is the better explanation.
                problem = system.find_flood() or error
                self.summary.problems.append(str(system.step_log.make_error(f"system {number}: {problem}")))
            finally:
                self.summary.add(len(system.model.events), system.count_faults(), verdict)

    def _take_steps(self, system: SystemUnderTest, steps: RandomSteps) -> None:
        for _ in range(self.steps_per_system):
            if self._is_over:
                break
            steps.take()
            self.summary.steps += 1
            self._print_progress(system)

    def _print_progress(self, system: SystemUnderTest) -> None:
        now = time.monotonic()
        if now - self._printed < PROGRESS_SECONDS:
            return
        self._printed = now
        events = self.summary.events + len(system.model.events)
        faults = (self.summary.faults + system.count_faults()).total()
        self.print_line(
            f"{now - self._began:4.0f} s  {events:6} events  {faults:5} faults  {len(system.tabs)} tabs"
            f"  last: {system.step_log.sentences[-1]}"
        )
