"""Servers under test: what `--server` names, read, checked and resolved.

A server is either one that runs already, known by its URL alone, or the package of a reference server
(this repository's, or a changed copy), of which the cases start their own processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from e2e.conformance.targets.target_table import TargetTable
from e2e.conformance.targets.toml_file import ImplementationError, Table, load_toml

SERVERS = Path(__file__).resolve().parent / "servers"
DEFAULT_ENDPOINT = "ajax-api/3.0/mlflow/ui-telemetry"
URL_EXPECTED = "an http URL like http://127.0.0.1:8080/ or http://host/prefix/"


@dataclass(frozen=True)
class ServerImplementation:
    """A server under test.

    `url` is the base of one that runs already and ends in a slash; else `package` is the folder to start.
    `endpoint` is the path of telemetry below the base. The rest is as in `e2e.conformance.targets.worker`.
    """

    name: str
    description: str
    url: str | None = None
    package: Path | None = None
    endpoint: str = DEFAULT_ENDPOINT
    known_deviations: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    only_cases: frozenset[str] = frozenset()


class _ServerTable(Table, frozen=True, kw_only=True):
    """The table [server]. `package` is a path, relative to the TOML file."""

    url: str | None = None
    package: str | None = None
    endpoint: str = DEFAULT_ENDPOINT

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.url is None) == (self.package is None):
            raise ValueError("url: expected either a url or a package, and not both")
        if self.url is not None and _normalize_url(self.url) is None:
            raise ValueError(f"url: expected {URL_EXPECTED}, not {self.url!r}")


class _ServerFile(TargetTable, frozen=True, kw_only=True):
    """The whole TOML file of a server."""

    server: _ServerTable


def get_known_servers() -> list[str]:
    """Return the names that `load_server` accepts without a path, sorted."""
    return sorted(path.stem for path in SERVERS.glob("*.toml"))


def load_server(spec: str) -> ServerImplementation:
    """Load NAME (a file of targets/servers), FILE.toml or a URL. Raise ImplementationError."""
    if "://" in spec:
        url = _normalize_url(spec)
        if url is None:
            raise ImplementationError(f"{spec}: expected {URL_EXPECTED}")
        return ServerImplementation(urlsplit(url).netloc, f"the server that runs at {url}", url=url)
    if spec in get_known_servers():
        return _load_file(SERVERS / f"{spec}.toml")
    if spec.endswith(".toml"):
        return _load_file(Path(spec))
    raise ImplementationError(
        f"no server is called {spec!r}: expected {URL_EXPECTED}, one of {', '.join(get_known_servers())}, "
        "or a path that ends in .toml"
    )


def _load_file(path: Path) -> ServerImplementation:
    content = load_toml(path, _ServerFile)
    server = content.server
    return ServerImplementation(
        content.name,
        content.description,
        _normalize_url(server.url) if server.url is not None else None,
        _resolve_package(path, server.package) if server.package is not None else None,
        server.endpoint.lstrip("/"),
        content.get_known_deviations(),
        frozenset(content.only_cases),
    )


def _resolve_package(path: Path, text: str) -> Path:
    package = (path.parent / text).resolve()
    if not (package / "__main__.py").is_file():
        raise ImplementationError(
            f"{path}: server.package: expected the folder of a package that python -m can run, not {text!r}"
        )
    return package


def _normalize_url(text: str) -> str | None:
    """Return the URL with a slash at its end, None for a URL that the cases cannot use."""
    try:
        parts = urlsplit(text)
        usable = parts.scheme == "http" and parts.hostname and parts.port != 0
    except ValueError:
        return None
    if not usable or parts.query or parts.fragment or parts.username or not text.isprintable():
        return None
    return text if text.endswith("/") else f"{text}/"
