"""Why a wait found no worker although there is one that is almost what the test meant."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from typing import NamedTuple

from pytest_sharedworker.gateway.patterns import Pattern

_SIMILARITY = 0.75
"""How similar two file names are, from 0 to 1, of which one is probably a misspelling of the other."""


class SeenWorker(NamedTuple):
    """A worker that has started in the test."""

    url: str
    name: str
    is_closed: bool


def find_near_miss(
    pattern: Pattern, name: str | None, workers: Sequence[SeenWorker], *, running: str
) -> str | None:
    """Return why the pattern and the name found none of the workers, None where no worker is close.

    `running` is the reason where such a worker is alive.
    """
    same_url = [worker for worker in workers if pattern(worker.url)]
    same = [worker for worker in same_url if name in (None, worker.name)]
    if any(not worker.is_closed for worker in same):
        return running
    if same:
        return "such a worker has ended; the last tab of a worker ends it, also when it reloads or navigates"
    if same_url:
        names = ", ".join(sorted({repr(worker.name) for worker in same_url}))
        return f"the name of the worker with this URL is {names}"
    return _explain_query(pattern, workers) or _suggest_file(pattern, workers)


def _explain_query(pattern: Pattern, workers: Sequence[SeenWorker]) -> str | None:
    for worker in workers:
        path, mark, _ = worker.url.partition("?")
        if mark and pattern(path):
            suggestion = f": did you mean {pattern.text + '**'!r}?" if pattern.is_glob else ""
            return f"the URL of the worker has a query{suggestion}"
    return None


def _suggest_file(pattern: Pattern, workers: Sequence[SeenWorker]) -> str | None:
    if not pattern.is_glob:
        return None
    folder, slash, file = pattern.text.rpartition("/")
    files = {worker.url.partition("?")[0].rpartition("/")[2] for worker in workers} - {file}
    close = get_close_matches(file, sorted(files), n=1, cutoff=_SIMILARITY)
    return f"did you mean {folder + slash + close[0]!r}?" if close else None
