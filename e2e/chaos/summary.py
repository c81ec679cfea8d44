"""The summary of a run: what was logged, which faults were applied, and what was found."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from e2e.chaos.model import SHOWN, Verdict

EXIT_BALANCED = 0
EXIT_UNBALANCED = 1


@dataclass
class Summary:
    """Sums over the systems of a run; `problems` are texts of what failed."""

    systems: int = 0
    steps: int = 0
    events: int = 0
    ok: int = 0
    recovered: int = 0
    dropped: int = 0
    optional: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    disordered: list[str] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def add(self, events: int, faults: Counter[str], verdict: Verdict | None) -> None:
        """Add a system; without a verdict where its check did not come to an end."""
        self.systems += 1
        self.events += events
        self.faults += faults
        if verdict is None:
            return
        accounting = verdict.accounting
        self.ok += accounting.ok
        self.recovered += accounting.recovered
        self.dropped += accounting.dropped
        self.optional += Counter(verdict.optional)
        self.lost += accounting.lost
        self.duplicated += [*accounting.duplicated, *verdict.duplicate_identities]
        self.unexpected += accounting.unexpected
        self.disordered += verdict.out_of_order

    @property
    def exit_status(self) -> int:
        """0 only if nothing was lost, duplicated, unexpected or out of order, and nothing else failed."""
        found = self.lost or self.duplicated or self.unexpected or self.disordered or self.problems
        return EXIT_UNBALANCED if found else EXIT_BALANCED

    def format(self) -> list[str]:
        """Return the summary as lines, with the first offending events by name."""
        faults = [f"  {count:6} {name}" for name, count in sorted(self.faults.items()) if count]
        offending = [
            f"{word}: {', '.join(keys[:SHOWN])}{', …' if len(keys) > SHOWN else ''}"
            for word, keys in self._get_offending().items()
            if keys
        ]
        return [
            f"systems     {self.systems}, {self.steps} steps",
            f"events      {self.events}",
            f"faults      {sum(self.faults.values())} applied",
            *faults,
            f"stored      {self.ok}",
            f"optional    {self.optional.total()}, {self.recovered} of them stored",
            *(f"  {count:6} {reason}" for reason, count in sorted(self.optional.items())),
            f"dropped     {self.dropped} as expected",
            *(f"{word:<12}{len(keys)}" for word, keys in self._get_offending().items()),
            *offending,
            *self.problems,
        ]

    def __str__(self) -> str:
        return "\n".join(self.format())

    def _get_offending(self) -> dict[str, list[str]]:
        return {
            "lost": self.lost,
            "duplicated": self.duplicated,
            "unexpected": self.unexpected,
            "disordered": self.disordered,
        }
