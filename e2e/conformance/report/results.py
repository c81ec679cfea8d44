"""The results of a run, collected as they arrive, and whether the run is successful."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from e2e.conformance.case import Level, Verdict, sort_key
from e2e.conformance.report.verdicts import CaseResult


class Results:
    """Results by implementation and case. Of several results of a case the worst is kept."""

    def __init__(self) -> None:
        self._results: dict[tuple[str, str], CaseResult] = {}
        self.problems: list[str] = []
        """Why this run is incomplete, such as an interruption; empty for a complete run."""

    def add(self, result: CaseResult) -> None:
        """Add a final result; its verdict is not None."""
        key = result.implementation, result.id
        known = self._results.get(key)
        self._results[key] = result if known is None else known.get_worse(result)

    def __iter__(self) -> Iterator[CaseResult]:
        """Yield all results: implementations in order of arrival, cases by family and number."""
        for implementation in self.implementations:
            yield from self.get_results(implementation)

    def __len__(self) -> int:
        return len(self._results)

    @property
    def implementations(self) -> list[str]:
        """Names, in order of their first result."""
        return list(dict.fromkeys(name for name, _ in self._results))

    def sort_implementations(self, names: Iterable[str]) -> None:
        """Put the implementations into this order (the results of parallel runs arrive in any order)."""
        order = list(dict.fromkeys([*names, *self.implementations]))
        self._results = dict(sorted(self._results.items(), key=lambda pair: order.index(pair[0][0])))

    def get_results(self, implementation: str) -> list[CaseResult]:
        """Return the results of one implementation, by family and number."""
        found = [result for (name, _), result in self._results.items() if name == implementation]
        return sorted(found, key=lambda result: sort_key(result.id))

    def count_verdicts(self, implementation: str) -> Counter[tuple[Level, Verdict | None]]:
        """Return how many cases of each level have each verdict."""
        return Counter((result.level, result.verdict) for result in self.get_results(implementation))

    @property
    def successful(self) -> bool:
        """Whether every MUST holds or does not apply, no known deviation is stale, and the run is complete.

        A MUST that is inconclusive does not hold. A run that judged no case is not successful.
        """
        undecided = (Verdict.UNIMPLEMENTED, Verdict.INCONCLUSIVE)
        judged_any = any(result.verdict not in undecided for result in self)
        must_failed = any(result.fails_run for result in self)
        stale = any(result.stale_deviation for result in self)
        return judged_any and not must_failed and not stale and not self.problems
