"""What the page shows: tables of verdicts, numbers of each implementation, and what fails the run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from e2e.conformance.case import Level, Verdict, get_family, sort_key
from e2e.conformance.report.comparison import Change, Comparison
from e2e.conformance.report.results import Results
from e2e.conformance.report.verdicts import CaseResult

SERVER_FAMILIES = "server/"
"""What the families of the cases that run on a server begin with."""

VERDICTS_IN_ORDER = (
    Verdict.FAILED,
    Verdict.INCONCLUSIVE,
    Verdict.NON_STRICT,
    Verdict.UNIMPLEMENTED,
    Verdict.OK,
)
NOT_RUN = "not run"


@dataclass(frozen=True)
class Cell:
    """A place in a table; `result` is None where the case did not run on the implementation.

    `change` is how it differs from an earlier run, None without a difference or an earlier run.
    """

    anchor: str
    """The part of a link to the cell: the same in every report, unless two names differ in signs only."""
    implementation: str
    result: CaseResult | None
    change: Change | None = None

    @property
    def note(self) -> str | None:
        """The word beside the verdict: whether a known deviation occurred, or did not."""
        if self.result is None or self.result.known_deviation is None:
            return None
        return "stale" if self.result.stale_deviation else "known"

    @property
    def passes(self) -> bool:
        """Whether the verdict is ok and no known deviation is stale; also where the case did not run."""
        return self.result is None or (self.result.verdict is Verdict.OK and not self.result.stale_deviation)

    @property
    def fails_run(self) -> bool:
        """Whether a run with this verdict is not successful."""
        return self.result is not None and (self.result.fails_run or self.result.stale_deviation)

    @property
    def words(self) -> list[str]:
        """What a filter of verdicts finds the cell by."""
        if self.result is None or self.result.verdict is None:
            return [NOT_RUN]
        return [self.result.verdict.value, *([self.note] if self.note else [])]


@dataclass(frozen=True)
class Row:
    """A case on all implementations of its table."""

    id: str
    level: Level
    requirement: str
    cells: list[Cell]

    @property
    def anchor(self) -> str:
        """The part of a link to the case that stays the same from report to report."""
        return get_anchor(self.id)

    @property
    def passes(self) -> bool:
        """Whether every cell passes."""
        return all(cell.passes for cell in self.cells)


@dataclass(frozen=True)
class Table:
    """The cases of workers or those of servers, by family; a column for each implementation that ran them."""

    title: str
    columns: list[str]
    families: list[tuple[str, list[Row]]]

    @property
    def rows(self) -> list[Row]:
        """The rows of all families."""
        return [row for _, rows in self.families for row in rows]

    @property
    def size(self) -> int:
        """The number of cases."""
        return len(self.rows)


@dataclass(frozen=True)
class Summary:
    """The numbers of an implementation. `levels`: level, number of ok cases, number of all cases."""

    name: str
    description: str
    levels: list[tuple[Level, int, int]]
    verdicts: list[tuple[Verdict, int]]
    known: int
    stale: int
    seconds: float


def get_anchor(case_id: str) -> str:
    """Return the part of a link to a case."""
    return case_id.replace("/", "-")


def get_column_anchors(names: Iterable[str]) -> dict[str, str]:
    """Return what stands for each implementation in a link to one of its cells, in letters of ASCII."""
    anchors: dict[str, str] = {}
    for name in names:
        anchor = re.sub(r"[^\w.-]+", "-", name, flags=re.ASCII).strip("-") or "implementation"
        while anchor in anchors.values():
            anchor += "-"
        anchors[name] = anchor
    return anchors


def build_tables(results: Results, comparison: Comparison | None = None) -> list[Table]:
    """Return a table for the cases of workers and one for those of servers; none without a case."""
    changes = {(each.implementation, each.id): each for each in (comparison.changes if comparison else ())}
    workers = [result for result in results if not result.id.startswith(SERVER_FAMILIES)]
    servers = [result for result in results if result.id.startswith(SERVER_FAMILIES)]
    return [
        _build_table(title, found, changes)
        for title, found in (("Worker cases", workers), ("Server cases", servers))
        if found
    ]


def list_failures(tables: Iterable[Table]) -> Iterator[tuple[Row, Cell]]:
    """Yield what makes the run unsuccessful, in the order of the tables."""
    for table in tables:
        for row in table.rows:
            for cell in row.cells:
                if cell.fails_run:
                    yield row, cell


def list_words(tables: Iterable[Table]) -> list[str]:
    """Return the words of verdicts and notes that the tables have, the worst first."""
    found = {word for table in tables for row in table.rows for cell in row.cells for word in cell.words}
    order = [*(verdict.value for verdict in VERDICTS_IN_ORDER), NOT_RUN, "known", "stale"]
    return [word for word in order if word in found]


def _build_table(title: str, results: list[CaseResult], changes: Mapping[tuple[str, str], Change]) -> Table:
    by_case: dict[str, dict[str, CaseResult]] = {}
    for result in results:
        by_case.setdefault(result.id, {})[result.implementation] = result
    columns = list(dict.fromkeys(result.implementation for result in results))
    families: dict[str, list[Row]] = {}
    anchors = get_column_anchors(columns)
    for case_id in sorted(by_case, key=sort_key):
        found = by_case[case_id]
        cells = [
            Cell(f"{get_anchor(case_id)}.{anchor}", name, found.get(name), changes.get((name, case_id)))
            for name, anchor in anchors.items()
        ]
        first = next(iter(found.values()))
        row = Row(case_id, first.level, first.requirement, cells)
        families.setdefault(get_family(case_id), []).append(row)
    return Table(title, columns, list(families.items()))


def build_summaries(results: Results, descriptions: Mapping[str, str]) -> list[Summary]:
    """Return the numbers of each implementation."""
    return [_build_summary(results, name, descriptions.get(name, "")) for name in results.implementations]


def _build_summary(results: Results, name: str, description: str) -> Summary:
    of_implementation = results.get_results(name)
    counts = results.count_verdicts(name)
    levels = [
        (level, counts[level, Verdict.OK], sum(counts[level, verdict] for verdict in Verdict))
        for level in Level
    ]
    verdicts = [(verdict, sum(counts[level, verdict] for level in Level)) for verdict in VERDICTS_IN_ORDER]
    stale = sum(result.stale_deviation for result in of_implementation)
    return Summary(
        name=name,
        description=description,
        levels=[(level, passed, total) for level, passed, total in levels if total],
        verdicts=[(verdict, count) for verdict, count in verdicts if count],
        known=sum(result.known_deviation is not None for result in of_implementation) - stale,
        stale=stale,
        seconds=sum(result.seconds for result in of_implementation),
    )
