"""Who sent a request: a worker, a tab, or a sender that is unknown.

A worker with a prologue tags its own requests (see injected/request-tags.js). A request without a tag is a
worker's if its Referer is a worker's script.
"""

from __future__ import annotations

from typing import NamedTuple

from aiohttp import web

from pytest_sharedworker.gateway.exchange import Sender
from pytest_sharedworker.gateway.worker_scripts import WorkerScripts
from pytest_sharedworker.gateway.worker_support import WorkerSupport
from pytest_sharedworker.injected.prologue import TAG_HEADER


class Tag(NamedTuple):
    """What a worker's own request says of itself; `virtual_time` is in ms, None on a real clock."""

    worker_id: str | None = None
    request_number: int | None = None
    virtual_time: float | None = None


def parse_tag(request: web.Request) -> Tag:
    """Return the parts of `<worker id>.<request number>.<virtual ms, empty on a real clock>`, if tagged."""
    tag = request.headers.get(TAG_HEADER)
    if tag is None:
        return Tag()
    worker_id, number, virtual_ms = tag.split(".", 2)
    return Tag(worker_id, int(number), float(virtual_ms) if virtual_ms else None)


def identify_sender(
    request: web.Request, tag: Tag, scripts: WorkerScripts, workers: WorkerSupport
) -> tuple[Sender, str | None]:
    """Return who sent a request, and the worker's id where it is known."""
    if tag.worker_id is not None:
        return "worker", tag.worker_id
    referer = request.headers.get("Referer")
    if referer is None:
        is_navigation = request.headers.get("Sec-Fetch-Mode") == "navigate"
        return ("tab" if is_navigation else "unknown"), None
    if not scripts.is_referred_by(referer):
        return "tab", None
    return "worker", workers.worker_at(referer)
