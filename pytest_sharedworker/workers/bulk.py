"""Many tabs and many workers at little cost."""

from __future__ import annotations

import time

from playwright.sync_api import BrowserContext, Page

from pytest_sharedworker.errors import UnsupportedError, WaitTimeoutError
from pytest_sharedworker.workers.shared_worker import SharedWorker
from pytest_sharedworker.workers.shared_workers import SharedWorkers

SPAWN_TIMEOUT = 60_000.0

_SPAWN = """([url, names, options]) => {
    const kept = (window[window.Symbol.for("pytest-sharedworker.spawned")] ??= []);
    for (const name of names) {
        kept.push(new SharedWorker(url, { ...options, name }));
    }
}"""


def open_tabs(context: BrowserContext, url: str, count: int) -> list[Page]:
    """Open `count` tabs on `url` side by side, and return them when all have loaded."""
    pages = [context.new_page() for _ in range(count)]
    for page in pages:
        page.goto(url, wait_until="commit")
    for page in pages:
        page.wait_for_load_state()
    return pages


def spawn_workers(
    shared_workers: SharedWorkers,
    page: Page,
    url: str,
    count: int,
    *,
    prefix: str = "worker",
    module: bool = False,
    timeout: float = SPAWN_TIMEOUT,
) -> list[SharedWorker]:
    """Start `count` workers of one script from one page, named `<prefix>-0`, `<prefix>-1` and so on.

    `url` is relative to the page. Return the workers in this order when all have started.
    Raise WaitTimeoutError after `timeout` ms,
    UnsupportedError for more workers than the plugin reaches in this browser (WebKit: 150).
    """
    limit = shared_workers._manager.max_workers
    if limit is not None and count > limit:
        raise UnsupportedError(f"the plugin reaches {limit} workers at a time in this browser, not {count}")
    names = [f"{prefix}-{number}" for number in range(count)]
    page.evaluate(_SPAWN, [url, names, {"type": "module" if module else "classic"}])
    deadline = time.monotonic() + timeout / 1000
    while True:
        # An earlier page may have started workers of the same names: the newest of a name counts.
        by_name = {worker.name: worker for worker in shared_workers.history}
        missing = [name for name in names if name not in by_name or by_name[name].is_closed()]
        if not missing:
            return [by_name[name] for name in names]
        if time.monotonic() > deadline:
            raise WaitTimeoutError(
                f"waited {timeout:g} ms for {count} workers of {url}; {len(missing)} have not started,"
                f" {missing[0]!r} is the first of them\n{shared_workers._manager.explain()}"
            )
        shared_workers._manager.idle()
