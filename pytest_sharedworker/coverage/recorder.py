"""Collect from the browser what workers have run, before they end (Chromium)."""

from __future__ import annotations

from collections.abc import Callable, Collection
from posixpath import normpath
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, Page

from pytest_sharedworker.coverage.model import (
    Coverage,
    Function,
    Range,
    make_file_coverage,
    make_original_coverage,
)
from pytest_sharedworker.devtools.worker_session import WorkerDevToolsSession
from pytest_sharedworker.injected.prologue import OWN_PREFIX
from pytest_sharedworker.source_maps.script_maps import ScriptMaps

_ENDING_METHODS = ("close", "goto", "reload", "go_back", "go_forward", "set_content")
"""The methods of a page that may end its workers."""


class CoverageRecorder:
    """The coverage of all workers of a run."""

    def __init__(self) -> None:
        self.coverage = Coverage()
        self.late_scripts: list[str] = []
        """The scripts whose first lines ran before counting started."""

    def start(self, session: WorkerDevToolsSession) -> None:
        """Start counting. Does not wait: a worker that is about to start cannot reply."""
        session.start_coverage()

    def collect(
        self, session: WorkerDevToolsSession, prefixes: Collection[str], source_maps: ScriptMaps
    ) -> None:
        """Add what a worker has run since the last call, of bundles with a source map that of their sources.

        `prefixes`: the prologues in front of scripts.
        """
        for script in session.collect_coverage():
            if urlsplit(script.url).path.startswith(OWN_PREFIX):
                continue
            prefix = max((each for each in prefixes if script.source.startswith(each)), key=len, default="")
            functions = [_parse_function(each) for each in script.functions]
            source_map = source_maps.get(script.url)
            if source_map is None:
                file = make_file_coverage(_get_path(script.url), script.source, functions, skip=len(prefix))
                self.coverage.add(file)
                continue
            for file in make_original_coverage(
                source_map, _get_path, script.source, functions, skip=len(prefix)
            ):
                self.coverage.add(file)


def call_before_workers_end(context: BrowserContext, callback: Callable[[], None]) -> None:
    """Call `callback` before a page of the context, or the context itself, does what may end workers.

    Playwright reports an end only when it has happened; then the worker cannot report its coverage.
    """
    _call_before(context, "close", callback)

    def on_page(page: Page) -> None:
        for name in _ENDING_METHODS:
            _call_before(page, name, callback)

    context.on("page", on_page)


def _call_before(owner: BrowserContext | Page, name: str, callback: Callable[[], None]) -> None:
    original = getattr(owner, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        callback()
        return original(*args, **kwargs)

    vars(owner)[name] = wrapped


def _get_path(url: str) -> str:
    """Return the path of a script's or a source's URL; bundlers write such as webpack://app/./src/queue.ts."""
    return normpath(urlsplit(url).path).lstrip("./") or "index"


def _parse_function(value: dict[str, Any]) -> Function:
    ranges = [Range(each["startOffset"], each["endOffset"], each["count"]) for each in value["ranges"]]
    return Function(value["functionName"], ranges)
