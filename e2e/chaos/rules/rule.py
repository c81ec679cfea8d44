"""A rule, and the decorator that makes one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from e2e.chaos.system import SystemUnderTest

Precondition = Callable[[SystemUnderTest], bool]


@dataclass(frozen=True)
class Rule:
    """One thing that may happen.

    `action` takes the system and a value for each name in `choices`; the value of `tab` is a number, which
    becomes one of the open tabs. `weight` is how often the rule is drawn in a timed run, relative to others;
    hypothesis draws by its own rules.
    """

    name: str
    precondition: Precondition
    action: Callable[..., None]
    weight: float
    choices: Mapping[str, Sequence[Any]]

    def apply(self, system: SystemUnderTest, values: Mapping[str, Any]) -> None:
        """Take the step with these values."""
        arguments = dict(values)
        if "tab" in arguments:
            arguments["tab"] = system.tabs.get(arguments["tab"])
        self.action(system, **arguments)


def rule(
    weight: float, precondition: Precondition, **choices: Sequence[Any]
) -> Callable[[Callable[..., None]], Rule]:
    """Make a rule of the decorated action."""

    def make(action: Callable[..., None]) -> Rule:
        return Rule(action.__name__, precondition, action, weight, choices)

    return make
