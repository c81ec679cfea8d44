"""The rules by which hypothesis drives a world: what may happen, when, and how much of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import wraps
from itertools import count
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from e2e.chaos import faults
from e2e.chaos.environment import Environment
from e2e.chaos.tab import ChaosTab
from e2e.chaos.tally import Summary

MOST_TABS = 4

WHICH = st.integers(0, MOST_TABS - 1)
TIMES = st.sampled_from([1, 2, 3, None])
FLUSH_INTERVAL_SECONDS = 30
SECONDS = st.sampled_from([0.001, 1, 5, 29.999, 30, 31, 60, 120, 900, 3600, 3 * 3600])
AT_ONCE_OR_FLUSH = st.sampled_from([0, FLUSH_INTERVAL_SECONDS, 2 * FLUSH_INTERVAL_SECONDS])

has_tabs = precondition(lambda machine: bool(machine.world.tabs))
_numbers = count(1)


def step(**draws: Any) -> Callable[[Callable[..., None]], Any]:
    """A rule of hypothesis whose steps are counted."""

    def decorate(function: Callable[..., None]) -> Any:
        @wraps(function)
        def counted(machine: Chaos, **drawn: Any) -> None:
            machine.tally.steps += 1
            function(machine, **drawn)

        made: Callable[..., Any] = rule(**draws)
        return made(counted)

    return decorate


class Chaos(RuleBasedStateMachine):
    """One world, from its first tab to its closed books. Which rules apply depends on draws alone.

    So a seed replays the same steps, whatever the browser made of them.
    """

    def __init__(self, stage: Environment, tally: Summary) -> None:
        super().__init__()
        self._stage = stage
        self.tally = tally
        self._ends = ExitStack()
        # A name that no other world has: all of them store in one database.
        self.world = self._ends.enter_context(stage.world(f"w{next(_numbers)}"))
        self.server_is_up = True

    def _tab(self, which: int) -> ChaosTab:
        return self.world.tabs[which % len(self.world.tabs)]

    @initialize(tabs=st.integers(1, 3))
    def begin(self, tabs: int) -> None:
        """Open the first tabs."""
        for _ in range(tabs):
            self.world.open_tab()

    # --- tabs -------------------------------------------------------------------------------------

    @precondition(lambda machine: len(machine.world.tabs) < MOST_TABS)
    @step()
    def open_tab(self) -> None:
        """A person opens one more tab."""
        self.world.open_tab()

    @has_tabs
    @step(which=WHICH)
    def close_tab(self, which: int) -> None:
        """A person closes a tab, perhaps the last."""
        self.world.close_tab(self._tab(which))

    @has_tabs
    @step(which=WHICH)
    def reload_tab(self, which: int) -> None:
        """A person reloads a tab."""
        self.world.reload_tab(self._tab(which))

    @has_tabs
    @step(which=WHICH)
    def leave_and_return(self, which: int) -> None:
        """A person looks at another page and comes back."""
        self.world.leave_and_return(self._tab(which))

    @precondition(lambda machine: machine.world.tabs and machine.is_chromium)
    @step(which=WHICH)
    def crash_tab(self, which: int) -> None:
        """A tab's renderer crashes."""
        self.world.crash_tab(self._tab(which))

    @has_tabs
    @step(which=WHICH, events=st.integers(1, 5))
    def log(self, which: int, events: int) -> None:
        """A person clicks; whatever comes next comes at once."""
        self.world.log(self._tab(which), events)

    @has_tabs
    @step(which=WHICH, events=st.integers(1, 5))
    def log_and_settle(self, which: int, events: int) -> None:
        """A person clicks, and the worker has the time to take it."""
        self.world.log(self._tab(which), events)
        self.world.settle_down()

    @has_tabs
    @step(which=WHICH, events=st.integers(20, 200))
    def log_many(self, which: int, events: int) -> None:
        """A page that logs in a loop."""
        self.world.log(self._tab(which), events, padding="x" * 100)

    # --- faults -----------------------------------------------------------------------------------

    @has_tabs
    @step(
        name=st.sampled_from(faults.NAMES["POST"]),
        times=TIMES,
        which=WHICH,
        events=st.integers(1, 50),
        seconds=AT_ONCE_OR_FLUSH,
    )
    def break_posts(self, name: str, times: int | None, which: int, events: int, seconds: float) -> None:
        """Something befalls the next batches; there is something to send."""
        self.world.break_wire(name, "POST", times)
        self.world.log(self._tab(which), events)
        self._pass(seconds)

    @has_tabs
    @step(
        name=st.sampled_from(faults.NAMES["GET"]),
        # Not for ever: of what a worker without a configuration is told nothing is promised.
        times=st.integers(1, 3),
        which=WHICH,
        events=st.integers(0, 3),
        seconds=AT_ONCE_OR_FLUSH,
    )
    def break_configuration(self, name: str, times: int, which: int, events: int, seconds: float) -> None:
        """Something befalls the next requests for the configuration; a new worker makes one."""
        self.world.break_wire(name, "GET", times)
        self.world.terminate_worker()
        self.world.log(self._tab(which), events)
        self._pass(seconds)

    @step()
    def lift_faults(self) -> None:
        """The network is as it should be."""
        self.world.lift_faults()

    @has_tabs
    @step(offline=st.booleans())
    def set_offline(self, offline: bool) -> None:
        """The worker loses the network, or finds it again."""
        self.world.set_offline(offline)

    @has_tabs
    @step()
    def terminate_worker(self) -> None:
        """The worker ends under its tabs."""
        self.world.terminate_worker()

    @precondition(lambda machine: machine.server_is_up)
    @step()
    def kill_server(self) -> None:
        """The server is gone."""
        self.server_is_up = False
        self.world.kill_server()

    @precondition(lambda machine: not machine.server_is_up)
    @step(seconds=SECONDS)
    def restart_server(self, seconds: float) -> None:
        """The server was gone for some time; now it is back."""
        self._pass(seconds)
        self.world.restart_server()
        self.server_is_up = True

    @precondition(lambda machine: machine.world.tabs and machine.server_is_up)
    @step(which=WHICH, events=st.integers(1, 50), delay_ms=st.integers(0, 10))
    def kill_server_at_work(self, which: int, events: int, delay_ms: int) -> None:
        """The server is gone while it works on a batch, and soon back."""
        self.world.log(self._tab(which), events)
        with self.world.server_dying_at_next_post(delay_ms):
            self.world.pass_time(FLUSH_INTERVAL_SECONDS)
        if not self.world.server.is_running:
            self.world.restart_server()

    # --- consent ----------------------------------------------------------------------------------

    @precondition(lambda machine: machine.world.tabs and machine.world.consent)
    @step(which=WHICH, events=st.integers(0, 3))
    def opt_out(self, which: int, events: int) -> None:
        """A person clicks and withdraws consent at once."""
        self.world.opt_out(self._tab(which), events)

    @precondition(lambda machine: machine.world.tabs and not machine.world.consent)
    @step(which=WHICH)
    def opt_in(self, which: int) -> None:
        """A person gives consent."""
        self.world.opt_in(self._tab(which))

    @has_tabs
    @step(
        which=WHICH, events=st.integers(0, 2), turns=st.integers(1, 3), spacing_ms=st.sampled_from([0, 1, 5])
    )
    def flip_consent(self, which: int, events: int, turns: int, spacing_ms: int) -> None:
        """A person plays with the switch."""
        self.world.flip(self._tab(which), events, turns, spacing_ms)

    # --- time -------------------------------------------------------------------------------------

    @step(seconds=SECONDS)
    def pass_time(self, seconds: float) -> None:
        """Time passes, for the worker."""
        self._pass(seconds)

    def _pass(self, seconds: float) -> None:
        if seconds:
            self.world.pass_time(seconds)

    @property
    def is_chromium(self) -> bool:
        """Whether tabs can be crashed."""
        return self._stage.is_chromium

    def teardown(self) -> None:
        """Close the books, and everything else in any case."""
        with self._ends:
            try:
                self.world.check()
            finally:
                self.tally.add(self.world)
