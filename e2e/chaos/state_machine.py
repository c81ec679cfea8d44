"""The state machine of hypothesis: it draws from the rules, and hypothesis shrinks a sequence that fails."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from itertools import count
from typing import Any

from hypothesis import stateful
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize

from e2e.chaos.checks import check
from e2e.chaos.environment import Environment
from e2e.chaos.model import Verdict
from e2e.chaos.rules import RULES, Rule
from e2e.chaos.summary import Summary

_numbers = count(1)


class ChaosMachine(RuleBasedStateMachine):
    """One system, from its first tab to its check. Every rule of `RULES` is a rule of the machine."""

    def __init__(self, environment: Environment, summary: Summary) -> None:
        super().__init__()
        self.summary = summary
        self._ends = ExitStack()
        # A name that no other system has: all of them store in one database.
        self.system = self._ends.enter_context(environment.open_system(f"s{next(_numbers)}"))

    @initialize(tabs=st.integers(1, 3))
    def begin(self, tabs: int) -> None:
        """Open the first tabs."""
        for _ in range(tabs):
            self.system.tabs.open()

    def teardown(self) -> None:
        """Check the system, and close it in any case."""
        verdict: Verdict | None = None
        with self._ends:
            try:
                verdict = check(self.system)
            finally:
                self.summary.add(len(self.system.model.events), self.system.count_faults(), verdict)


def _make_step(rule: Rule) -> Callable[..., None]:
    def take_step(machine: ChaosMachine, **values: Any) -> None:
        machine.summary.steps += 1
        rule.apply(machine.system, values)

    take_step.__name__ = rule.name
    return take_step


def _make_precondition(rule: Rule) -> Callable[[ChaosMachine], bool]:
    return lambda machine: rule.precondition(machine.system)


for _rule in RULES:
    _draws: dict[str, Any] = {name: st.sampled_from(choices) for name, choices in _rule.choices.items()}
    _decorate: Any = stateful.rule(**_draws)
    _limit: Any = stateful.precondition(_make_precondition(_rule))
    setattr(ChaosMachine, _rule.name, _limit(_decorate(_make_step(_rule))))
