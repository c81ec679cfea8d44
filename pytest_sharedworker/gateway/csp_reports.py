"""Reports of violations of a Content-Security-Policy: they name what the app and its server have sent.

Browsers put the policy that they got into a report, with what `csp.py` has added to it, and the URL of a
blocked WebSocket, with the parameter of `sockets.js`.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from aiohttp import web

from pytest_sharedworker.gateway.csp import restore_policy
from pytest_sharedworker.gateway.sender import split_socket_url

_CONTENT_TYPES = ("application/csp-report", "application/reports+json")


def _restore_socket_url(url: str) -> str:
    return split_socket_url(url)[0]


_RESTORED: dict[str, Callable[[str], str]] = {
    "original-policy": restore_policy,
    "originalPolicy": restore_policy,
    "blocked-uri": _restore_socket_url,
    "blockedURL": _restore_socket_url,
}
"""Of `report-uri` (CSP 3, "deprecated serialize violation") and of the Reporting API."""


def restore_report(request: web.Request, body: bytes) -> bytes:
    """Return the body of a request without the plugin's sources; the same body if there are none."""
    if request.content_type not in _CONTENT_TYPES:
        return body
    try:
        report = json.loads(body)
    except ValueError:
        return body
    if not _restore(report):
        return body
    return json.dumps(report, ensure_ascii=False, separators=(",", ":")).encode()


def _restore(value: object) -> bool:
    """Restore all texts inside a JSON value, and return whether one has changed."""
    if isinstance(value, list):
        return any([_restore(each) for each in value])
    if not isinstance(value, dict):
        return False
    has_changed = any([_restore(each) for each in value.values()])
    for key, restore in _RESTORED.items():
        text = value.get(key)
        if isinstance(text, str) and (restored := restore(text)) != text:
            value[key] = restored
            has_changed = True
    return has_changed
