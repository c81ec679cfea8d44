"""The verdicts of a run, collected as they come, and what follows from them: the file and the exit status."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from e2e.conformance.case import Level, Verdict, sort_key
from e2e.conformance.report.atomic_write import write_atomically
from e2e.conformance.report.verdicts import CaseResult

SCHEMA = 1
RESULTS_FILE = "results.json"


class Results:
    """Judgements by implementation and case; where a case ran several times the worst stays."""

    def __init__(self) -> None:
        self._judgements: dict[tuple[str, str], CaseResult] = {}
        self.problems: list[str] = []
        """Why this run does not say all it should, such as an interruption; empty for a whole run."""

    def add(self, judgement: CaseResult) -> None:
        """Take a final judgement; its verdict is not None."""
        key = judgement.implementation, judgement.id
        known = self._judgements.get(key)
        self._judgements[key] = judgement if known is None else known.worse(judgement)

    def __iter__(self) -> Iterator[CaseResult]:
        """All judgements: implementations as they came, cases by family and number."""
        for implementation in self.implementations:
            yield from self.of(implementation)

    def __len__(self) -> int:
        return len(self._judgements)

    @property
    def implementations(self) -> list[str]:
        """Names, in the order in which they came first."""
        return list(dict.fromkeys(name for name, _ in self._judgements))

    def put_in_order(self, names: Iterable[str]) -> None:
        """Let the implementations come in this order (parallel runs finish in any)."""
        order = list(dict.fromkeys([*names, *self.implementations]))
        pairs = sorted(self._judgements.items(), key=lambda pair: order.index(pair[0][0]))
        self._judgements = dict(pairs)

    def of(self, implementation: str) -> list[CaseResult]:
        """The judgements of one implementation, by family and number."""
        found = [judged for (name, _), judged in self._judgements.items() if name == implementation]
        return sorted(found, key=lambda judged: sort_key(judged.id))

    def counts(self, implementation: str) -> Counter[tuple[Level, Verdict | None]]:
        """How many cases of each level have each verdict."""
        return Counter((judged.level, judged.verdict) for judged in self.of(implementation))

    @property
    def successful(self) -> bool:
        """Whether every MUST holds, no deviation is stale, the run is whole and judged anything at all."""
        judged_any = any(judged.verdict is not Verdict.UNIMPLEMENTED for judged in self)
        must_failed = any(judged.verdict is Verdict.FAILED for judged in self)
        stale = any(judged.stale_deviation for judged in self)
        return judged_any and not must_failed and not stale and not self.problems

    def to_json(self) -> dict[str, Any]:
        """The contents of results.json; what a case does not have is left out."""
        results: dict[str, Any] = {
            "schema": SCHEMA,
            "implementations": {
                name: {"cases": {judged.id: _case_json(judged) for judged in self.of(name)}}
                for name in self.implementations
            },
        }
        return {**results, "problems": self.problems} if self.problems else results

    def write(self, directory: Path) -> Path:
        """Write results.json into the folder; a reader sees the old file or the new one, never half."""
        path = directory / RESULTS_FILE
        write_atomically(path, json.dumps(self.to_json(), ensure_ascii=False, indent=2) + "\n")
        return path


def _case_json(judged: CaseResult) -> dict[str, Any]:
    values = {
        "verdict": judged.verdict.value if judged.verdict else None,
        "level": judged.level.value,
        "requirement": judged.requirement,
        "expected": judged.expected,
        "actual": judged.actual,
        "seconds": round(judged.seconds, 3),
        "source": judged.source,
    }
    optional = {
        "known_deviation": judged.known_deviation,
        "stale_deviation": judged.stale_deviation or None,
        "broke_off": judged.broke_off or None,
        "details": judged.details,
    }
    return values | {key: value for key, value in optional.items() if value is not None}
