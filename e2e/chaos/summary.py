"""The figures of a run: what was logged, which faults met something, and what came of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from e2e.chaos.model import SHOWN, Verdict

EXIT_BALANCED = 0
EXIT_UNBALANCED = 1


@dataclass
class Figures:
    """Sums over the worlds of a run; `problems` are sentences about what should not have happened."""

    events: int = 0
    ok: int = 0
    recovered: int = 0
    dropped: int = 0
    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    disordered: list[str] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def add(self, verdict: Verdict, events: int) -> None:
        """Add a world whose books are closed."""
        accounting = verdict.accounting
        self.events += events
        self.ok += accounting.ok
        self.recovered += accounting.recovered
        self.dropped += accounting.dropped
        self.lost += accounting.lost
        self.duplicated += [*accounting.duplicated, *verdict.twins]
        self.unexpected += accounting.unexpected
        self.disordered += verdict.disordered

    @property
    def exit_status(self) -> int:
        """0 only where nothing was lost, duplicated, unexpected or out of order, and nothing else failed."""
        offended = self.lost or self.duplicated or self.unexpected or self.disordered or self.problems
        return EXIT_UNBALANCED if offended else EXIT_BALANCED

    def lines(self) -> list[str]:
        """The figures as text, a line each, and the first offenders by name."""
        faults = [f"  {count:6} {name}" for name, count in sorted(self.faults.items()) if count]
        offenders = [
            f"{word}: {', '.join(keys[:SHOWN])}{', …' if len(keys) > SHOWN else ''}"
            for word, keys in self._offences().items()
            if keys
        ]
        return [
            f"events      {self.events}",
            f"faults      {sum(self.faults.values())} that met something",
            *faults,
            f"stored      {self.ok}",
            f"recovered   {self.recovered}",
            f"dropped     {self.dropped} as they had to be",
            *(f"{word:<12}{len(keys)}" for word, keys in self._offences().items()),
            *offenders,
            *self.problems,
        ]

    def _offences(self) -> dict[str, list[str]]:
        return {
            "lost": self.lost,
            "duplicated": self.duplicated,
            "unexpected": self.unexpected,
            "disordered": self.disordered,
        }
