"""What worlds have been through, added up: steps, events, faults that met something."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from e2e.chaos.system import SystemUnderTest


@dataclass
class Summary:
    """Sums over worlds."""

    worlds: int = 0
    steps: int = 0
    events: int = 0
    faults: Counter[str] = field(default_factory=Counter)

    def add(self, world: SystemUnderTest) -> None:
        """Add a world that has come to its end."""
        self.worlds += 1
        self.events += len(world.books.events)
        self.faults += world.faults + world.wire.met

    def __str__(self) -> str:
        faults = "".join(f"\n  {count:5} {name}" for name, count in sorted(self.faults.items()))
        sums = f"{self.worlds} worlds, {self.steps} steps, {self.events} events"
        return f"{sums}; faults that met something:{faults}"
