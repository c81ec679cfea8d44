"""A run of the chaos: worlds one after the other, each a walk of many steps, until the time is over."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Error as PlaywrightError

from e2e.chaos.environment import Environment
from e2e.chaos.random_walk import Walk
from e2e.chaos.summary import Figures
from e2e.chaos.system import PageBrokenError, SystemUnderTest
from pytest_sharedworker.errors import SharedWorkerError
from pytest_sharedworker.workers.persistent_browser import PersistentBrowser
from pytest_sharedworker.workers.shared_workers import SharedWorkers

STEPS_PER_WORLD = 60
"""After so many the books are closed: an offence is found near its cause, and the next world is fresh."""

PROGRESS_SECONDS = 5.0


@dataclass
class Run:
    """What one run does, and how far it is. `stopped` is asked between steps."""

    stage: Environment
    seed: int
    seconds: float
    launch_arguments: dict[str, Any]
    stopped: Callable[[], bool]
    tell: Callable[[str], None]

    def __post_init__(self) -> None:
        self.figures = Figures()
        self._began = time.monotonic()
        self._told = self._began

    def run(self) -> Figures:
        """Walk until the time is over, something is found, or it is stopped."""
        number = 0
        while not self._is_over and self.figures.exit_status == 0:
            number += 1
            with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as folder:
                self._walk_through(number, Path(folder))
        return self.figures

    @property
    def _is_over(self) -> bool:
        return self.stopped() or time.monotonic() - self._began > self.seconds

    def _walk_through(self, number: int, profile: Path) -> None:
        # Each world has a seed of its own: the first ones do not decide what the later ones try.
        chance = random.Random(f"{self.seed}/{number}")
        with self._world(f"w{number}", profile) as (world, kill_browser):
            walk = Walk(world, chance, can_crash=self.stage.is_chromium, kill_browser=kill_browser)
            try:
                for _ in range(STEPS_PER_WORLD):
                    if self._is_over:
                        break
                    walk.step()
                    self._tell_progress(world)
                verdict = world.close_books()
                self.figures.add(verdict, len(world.books.events))
                if not verdict.balanced:
                    self.figures.problems.append(str(world.broken(f"world {number}: {verdict}")))
            except (PageBrokenError, SharedWorkerError, PlaywrightError) as error:
                text = (
                    error if isinstance(error, PageBrokenError) else world.broken(f"world {number}: {error}")
                )
                self.figures.problems.append(str(text))
            finally:
                self.figures.faults += world.faults + world.wire.met

    @contextmanager
    def _world(self, name: str, profile: Path) -> Iterator[tuple[SystemUnderTest, Callable[[], None]]]:
        """A world in a browser of its own, and what kills that browser and opens it again."""
        stage = self.stage
        with ExitStack() as ends:
            gateway = ends.enter_context(stage.gateway())
            workers = SharedWorkers(stage.browser, gateway, stage.control, stage.loop_thread, "virtual")
            ends.callback(workers.close)
            browser = PersistentBrowser(
                stage.browser.browser_type,
                profile,
                workers,
                launch_arguments=self.launch_arguments,
                context_arguments={},
            )
            ends.callback(browser.close)
            world = SystemUnderTest(name, browser.context, gateway, workers, stage.server)

            def kill() -> None:
                world.browser_dies(browser.kill, browser.reopen)

            yield world, kill

    def _tell_progress(self, world: SystemUnderTest) -> None:
        now = time.monotonic()
        if now - self._told >= PROGRESS_SECONDS:
            self._told = now
            events = self.figures.events + len(world.books.events)
            faults = (self.figures.faults + world.faults + world.wire.met).total()
            self.tell(
                f"{now - self._began:4.0f} s  {events:6} events  {faults:5} faults  {len(world.tabs)} tabs"
                f"  last: {world.step_log[-1]}"
            )
