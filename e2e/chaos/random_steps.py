"""Random steps of a timed run: events in all tabs, then one rule, drawn by its weight."""

from __future__ import annotations

import random
from collections.abc import Collection

from e2e.chaos.rules import RULES, Rule
from e2e.chaos.system import SystemUnderTest

MIN_TABS = 2
MAX_EVENTS = 40
FOCUS = 15
"""How many times more often a rule in focus is drawn."""


class RandomSteps:
    """Takes one step after the other. The generator of random numbers decides every step.

    `focus`: names of rules that are drawn more often.
    """

    def __init__(
        self, system: SystemUnderTest, generator: random.Random, focus: Collection[str] = ()
    ) -> None:
        self._system = system
        self._random = generator
        self._focus = focus

    def take(self) -> Rule:
        """Log in every tab, then apply one rule and return it."""
        self._log_in_all_tabs()
        applicable = [rule for rule in RULES if rule.precondition(self._system)]
        weights = [rule.weight * (FOCUS if rule.name in self._focus else 1) for rule in applicable]
        (rule,) = self._random.choices(applicable, weights)
        rule.apply(
            self._system, {name: self._random.choice(choices) for name, choices in rule.choices.items()}
        )
        return rule

    def _log_in_all_tabs(self) -> None:
        system = self._system
        while len(system.tabs) < MIN_TABS:
            system.tabs.open()
        # Without consent nothing can be lost: give it again soon.
        if not system.consent and self._random.random() < 0.5:
            system.opt_in(system.tabs.get(self._random.randrange(len(system.tabs))))
        for tab in system.tabs:
            system.log_events(tab, self._random.randint(1, MAX_EVENTS))
        if self._random.random() < 0.5:
            system.settle_and_acknowledge()
