"""What changed since an earlier run: the verdicts of this run beside those of an earlier results.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from e2e.conformance.case import Level, sort_key
from e2e.conformance.report.results import Results
from e2e.conformance.report.results_file import EarlierCase, EarlierResults, Standing


class ChangeKind(Enum):
    """How a case has changed, in the order in which changes are shown."""

    WORSE = "worse"
    BETTER = "better"
    NEW = "new"
    GONE = "gone"


@dataclass(frozen=True)
class Change:
    """A case that is not as before; `before` is None for a new one, `after` for one that is gone."""

    kind: ChangeKind
    implementation: str
    id: str
    requirement: str
    before: Standing | None
    after: Standing | None

    def __str__(self) -> str:
        if self.kind is ChangeKind.NEW:
            return f"new: {self.after}"
        if self.kind is ChangeKind.GONE:
            return f"gone, was {self.before}"
        return f"{self.kind.value}, was {self.before}"


@dataclass(frozen=True)
class Comparison:
    """This run beside an earlier one.

    The changes are in order of kind, implementation and id. An implementation that only one of the runs has
    is not compared.
    `environment`: name, value in the earlier run, value in this run, where they differ.
    """

    file: str
    changes: list[Change]
    unchanged: int
    only_before: list[str]
    only_now: list[str]
    environment: list[tuple[str, str, str]]

    def get_changes(self, kind: ChangeKind) -> list[Change]:
        """Return the changes of one kind."""
        return [change for change in self.changes if change.kind is kind]

    @property
    def counts(self) -> str:
        """The number of cases of each kind in words."""
        counts = [f"{len(self.get_changes(kind))} {kind.value}" for kind in ChangeKind]
        return ", ".join([*counts, f"{self.unchanged} unchanged"])


def compare(
    earlier: EarlierResults,
    results: Results,
    environment: Mapping[str, str],
    is_selected: Callable[[str, Level], bool] = lambda case_id, level: True,
) -> Comparison:
    """Compare a run with an earlier one.

    An earlier case that this run did not select, by its id and level, is left out instead of gone.
    """
    now = {
        (result.implementation, result.id): EarlierCase(
            Standing(result.verdict.severity, result.stale_deviation), result.level, result.requirement
        )
        for result in results
        if result.verdict is not None
    }
    before = {
        key: case for key, case in earlier.cases.items() if key in now or is_selected(key[1], case.level)
    }
    names_before = dict.fromkeys(name for name, _ in earlier.cases)
    names_now = dict.fromkeys(name for name, _ in now)
    changes = []
    unchanged = 0
    for name in names_now:
        if name not in names_before:
            continue
        ids = {id for implementation, id in (*now, *before) if implementation == name}
        for id in sorted(ids, key=sort_key):
            change = _compare_case(name, id, before.get((name, id)), now.get((name, id)))
            if change is None:
                unchanged += 1
            else:
                changes.append(change)
    order = list(ChangeKind)
    return Comparison(
        file=earlier.file,
        changes=sorted(changes, key=lambda change: order.index(change.kind)),
        unchanged=unchanged,
        only_before=[name for name in names_before if name not in names_now],
        only_now=[name for name in names_now if name not in names_before],
        environment=[
            (name, earlier.environment.get(name, ""), environment.get(name, ""))
            for name in dict.fromkeys([*earlier.environment, *environment])
            if earlier.environment.get(name) != environment.get(name)
        ],
    )


def _compare_case(
    implementation: str, id: str, before: EarlierCase | None, now: EarlierCase | None
) -> Change | None:
    """Return how a case of both or of one run has changed, None if it has not."""
    shown = now or before
    if shown is None or (before and now and before.standing == now.standing):
        return None
    if before is None:
        kind = ChangeKind.NEW
    elif now is None:
        kind = ChangeKind.GONE
    else:
        kind = ChangeKind.WORSE if now.standing > before.standing else ChangeKind.BETTER
    return Change(
        kind,
        implementation,
        id,
        shown.requirement,
        before.standing if before else None,
        now.standing if now else None,
    )
