"""Takes what workers have run out of the browser (Chromium), before they end."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, Page

from pytest_sharedworker.coverage.model import Coverage, Function, Range, file_coverage
from pytest_sharedworker.devtools.session import WorkerDevToolsSession
from pytest_sharedworker.gateway.worker_scripts import OWN_PREFIX

_ENDING = ("close", "goto", "reload", "go_back", "go_forward", "set_content")
"""The methods of a page that may end its workers."""


class CoverageRecorder:
    """What all workers of a run have run so far."""

    def __init__(self) -> None:
        self.coverage = Coverage()
        self.late: list[str] = []
        """The scripts whose first lines ran before they could be counted."""

    def begin(self, attached: WorkerDevToolsSession) -> None:
        """Count from now on; a worker that is about to start cannot answer, and need not."""
        attached.begin_coverage()

    def take(self, attached: WorkerDevToolsSession, prefixes: Collection[str]) -> None:
        """Add what a worker has run since the last time. `prefixes`: the prologues in front of scripts."""
        for script in attached.take_coverage():
            path = urlsplit(script.url).path
            if path.startswith(OWN_PREFIX):
                continue
            prefix = max((each for each in prefixes if script.source.startswith(each)), key=len, default="")
            functions = [_function(each) for each in script.functions]
            name = path.lstrip("/") or "index"
            self.coverage.add(file_coverage(name, script.source, functions, skip=len(prefix)))


def before_workers_end(context: BrowserContext, act: Callable[[], None]) -> None:
    """Call `act` before a page of the context, or the context itself, does what may end workers.

    Playwright tells of an end only when it has happened, and then nobody can ask the worker any more.
    """
    _wrap(context, "close", act)

    def opened(page: Page) -> None:
        for name in _ENDING:
            _wrap(page, name, act)

    context.on("page", opened)


def _wrap(owner: BrowserContext | Page, name: str, act: Callable[[], None]) -> None:
    original = getattr(owner, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        act()
        return original(*args, **kwargs)

    vars(owner)[name] = wrapped


def _function(value: dict[str, Any]) -> Function:
    ranges = [Range(each["startOffset"], each["endOffset"], each["count"]) for each in value["ranges"]]
    return Function(value["functionName"], ranges)
