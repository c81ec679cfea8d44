"""Serve the app under test through the gateway: the tabs' page and the worker's script."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from e2e.conformance.targets.worker import Implementation
from pytest_sharedworker import Gateway, GatewayOrigin

TAB_PATH = "/tab.html"
TAB_PAGE = "<!doctype html><html lang=en><meta charset=utf-8><title>tab</title><link rel=icon href=data:,>"


@dataclass(frozen=True)
class AppPaths:
    """The paths of the tabs' page, of the worker's script and of the telemetry endpoint."""

    tab: str
    script: str
    endpoint: str


def serve_app(
    gateway: Gateway | GatewayOrigin,
    implementation: Implementation,
    server_endpoint: str,
    prefix: str = "",
) -> AppPaths:
    """Serve the app at the root or below a path prefix; the server keeps its endpoint."""
    worker = implementation.worker
    folder = f"{prefix}/{worker.static_path}/"
    script = folder + worker.script.name
    if worker.directory is not None:
        gateway.serve_directory(folder, worker.directory)
    else:
        gateway.serve_file(script, worker.script)
    endpoint = urlsplit(urljoin(gateway.url + script, implementation.protocol.endpoint)).path
    if endpoint != server_endpoint:
        gateway.rewrite(endpoint, server_endpoint)
    gateway.serve(prefix + TAB_PATH, TAB_PAGE, content_type="text/html")
    return AppPaths(prefix + TAB_PATH, script, endpoint)
