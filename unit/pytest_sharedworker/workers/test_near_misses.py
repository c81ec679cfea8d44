"""Why a wait for a worker found none."""

from __future__ import annotations

import re

import pytest

from pytest_sharedworker import URLMatch
from pytest_sharedworker.gateway.patterns import Pattern
from pytest_sharedworker.workers.near_misses import SeenWorker, find_near_miss

ORIGIN = "http://127.0.0.1:8000"
ALIVE = SeenWorker(f"{ORIGIN}/app/queue.worker.js", "queue", is_closed=False)
CLOSED = ALIVE._replace(is_closed=True)
WITH_QUERY = SeenWorker(f"{ORIGIN}/src/queue.worker.ts?worker_file&type=module", "", is_closed=False)


def find(match: URLMatch, *workers: SeenWorker, name: str | None = None) -> str | None:
    return find_near_miss(Pattern.compile(match, ORIGIN), name, workers, running="it runs elsewhere")


@pytest.mark.parametrize(
    ("match", "worker", "suggestion"),
    [
        ("**/queue.wroker.js", ALIVE, "**/queue.worker.js"),
        ("/app/queue-worker.js", ALIVE, "/app/queue.worker.js"),
        ("**/queue.worker.js", WITH_QUERY, "**/queue.worker.ts"),
        ("**/queue.worker.ts", WITH_QUERY, "**/queue.worker.ts**"),
        ("/src/*.ts", WITH_QUERY, "/src/*.ts**"),
        (f"{ORIGIN}/src/queue.worker.ts", WITH_QUERY, f"{ORIGIN}/src/queue.worker.ts**"),
    ],
)
def test_glob_that_is_almost_right_gets_a_suggestion(match: str, worker: SeenWorker, suggestion: str) -> None:
    assert f"did you mean {suggestion!r}?" in (find(match, worker) or "")


@pytest.mark.parametrize("match", [re.compile(r"\.ts$"), lambda url: url.endswith(".ts")])
def test_query_is_named_without_a_suggestion_for_what_is_no_glob(match: URLMatch) -> None:
    assert find(match, WITH_QUERY) == "the URL of the worker has a query"


def test_ended_worker_is_named_with_what_ends_workers() -> None:
    assert "has ended; the last tab of a worker ends it, also when it reloads" in (
        find("**/queue.worker.js", CLOSED) or ""
    )


def test_worker_of_another_name_is_named() -> None:
    assert (
        find("**/queue.worker.js", ALIVE, name="outbox") == "the name of the worker with this URL is 'queue'"
    )


def test_running_worker_has_the_reason_of_the_wait() -> None:
    assert find("**/queue.worker.js", CLOSED, ALIVE) == "it runs elsewhere"


@pytest.mark.parametrize("match", ["**/none.js", "**/*.css", re.compile("queue.wroker"), "/other/"])
def test_worker_that_is_not_close_gives_no_hint(match: URLMatch) -> None:
    assert find(match, ALIVE, WITH_QUERY) is None


def test_test_without_workers_gets_no_hint() -> None:
    assert find("**/queue.worker.js") is None
