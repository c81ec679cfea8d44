"""A random walk through a world: which step comes next, and how much of it. One seed, one walk."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from e2e.chaos import faults
from e2e.chaos.system import SystemUnderTest
from e2e.chaos.tab import ChaosTab

LEAST_TABS = 2
MOST_TABS = 5
FLUSH_INTERVAL_SECONDS = 30
SPANS_SECONDS = (1, 29.999, FLUSH_INTERVAL_SECONDS, 60, 300, 900, 3600)
MOST_EVENTS = 40

Step = Callable[[], None]


class Walk:
    """Takes a world through one step after the other; all tabs log all the time."""

    def __init__(
        self, world: SystemUnderTest, chance: random.Random, *, can_crash: bool, kill_browser: Step
    ) -> None:
        """`kill_browser` ends the browser with SIGKILL and opens it again."""
        self._world = world
        self._chance = chance
        self._steps: Mapping[Step, int] = {
            self._pass_time: 12,
            self._break_posts: 6,
            self._break_configuration: 1,
            self._lift_faults: 4,
            self._open_tab: 4,
            self._close_tab: 2,
            self._reload_tab: 2,
            self._leave_and_return: 1,
            self._terminate_worker: 2,
            self._toggle_offline: 2,
            self._kill_server: 2,
            self._kill_server_at_work: 4,
            self._consent: 1,
            self._crash_tab: 3 if can_crash else 0,
            kill_browser: 2,
        }

    def step(self) -> None:
        """Log in every tab, and do one thing more."""
        while len(self._world.tabs) < LEAST_TABS:
            self._world.open_tab()
        # Without consent there is nothing to lose: half of the times a person gives it again at once.
        if not self._world.consent and self._chance.random() < 0.5:
            self._world.opt_in(self._tab())
        for tab in self._world.tabs:
            self._world.log(tab, self._chance.randint(1, MOST_EVENTS))
        if self._chance.random() < 0.5:
            self._world.settle_down()
        (step,) = self._chance.choices([*self._steps], [*self._steps.values()])
        step()

    def _tab(self) -> ChaosTab:
        return self._chance.choice(self._world.tabs)

    def _times(self) -> int | None:
        return self._chance.choice([1, 2, 3, None])

    def _pass_time(self) -> None:
        self._world.pass_time(self._chance.choice(SPANS_SECONDS))

    def _break_posts(self) -> None:
        self._world.break_wire(self._chance.choice(faults.NAMES["POST"]), "POST", self._times())
        self._world.pass_time(self._chance.choice((FLUSH_INTERVAL_SECONDS, 60)))

    def _break_configuration(self) -> None:
        # Not for long: of what a worker without a configuration is told nothing is promised.
        self._world.break_wire(self._chance.choice(faults.NAMES["GET"]), "GET", self._chance.choice([1, 2]))
        self._world.terminate_worker()
        self._world.pass_time(self._chance.choice((FLUSH_INTERVAL_SECONDS, 300)))

    def _lift_faults(self) -> None:
        self._world.lift_faults()

    def _open_tab(self) -> None:
        if len(self._world.tabs) < MOST_TABS:
            self._world.open_tab()

    def _close_tab(self) -> None:
        self._world.close_tab(self._tab())

    def _reload_tab(self) -> None:
        self._world.reload_tab(self._tab())

    def _leave_and_return(self) -> None:
        self._world.leave_and_return(self._tab())

    def _crash_tab(self) -> None:
        self._world.crash_tab(self._tab())

    def _terminate_worker(self) -> None:
        self._world.terminate_worker()

    def _toggle_offline(self) -> None:
        self._world.set_offline(True)
        self._world.pass_time(self._chance.choice(SPANS_SECONDS))
        self._world.set_offline(False)

    def _kill_server(self) -> None:
        self._world.kill_server()
        self._world.pass_time(self._chance.choice(SPANS_SECONDS))
        self._world.restart_server()

    def _kill_server_at_work(self) -> None:
        with self._world.server_dying_at_next_post(self._chance.randrange(10)):
            self._world.pass_time(FLUSH_INTERVAL_SECONDS)
        if not self._world.server.is_running:
            self._world.restart_server()

    def _consent(self) -> None:
        if not self._world.consent:
            self._world.opt_in(self._tab())
        elif self._chance.random() < 0.5:
            self._world.opt_out(self._tab(), self._chance.randrange(3))
        else:
            turns, spacing_ms = self._chance.randint(1, 3), self._chance.choice((0, 1, 5, 50))
            self._world.flip(self._tab(), self._chance.randrange(3), turns, spacing_ms)
