"""Servers under test: what `--server` names, read, checked and resolved.

A server is either one that runs already, known by its URL alone, or the package of a reference server
(this repository's, or a changed copy), of which the cases start processes of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from e2e.conformance.targets.toml_reader import ImplementationError, Table, read_table
from e2e.conformance.targets.worker import known_deviations_in, only_cases_in, printable

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


def known_servers() -> list[str]:
    """Names that `load_server` knows without a path, sorted."""
    return sorted(path.stem for path in SERVERS.glob("*.toml"))


def load_server(spec: str) -> ServerImplementation:
    """Load NAME (a file of targets/servers), FILE.toml or a URL. Raises ImplementationError."""
    if "://" in spec:
        url = _base_url(spec)
        if url is None:
            raise ImplementationError(f"{spec}: expected {URL_EXPECTED}")
        return ServerImplementation(urlsplit(url).netloc, f"the server that runs at {url}", url=url)
    if spec in known_servers():
        return _from_toml(SERVERS / f"{spec}.toml")
    if spec.endswith(".toml"):
        return _from_toml(Path(spec))
    raise ImplementationError(
        f"no server is called {spec!r}: expected {URL_EXPECTED}, one of {', '.join(known_servers())}, "
        "or a path that ends in .toml"
    )


def _from_toml(path: Path) -> ServerImplementation:
    table = read_table(path)
    name = table.text("name", check=printable)
    description = table.text("description", "")
    deviations = known_deviations_in(table.table("known_deviations"))
    only_cases = only_cases_in(table)
    server = table.table("server", required=True)
    table.finish()
    endpoint = server.text("endpoint", DEFAULT_ENDPOINT).lstrip("/")
    url, package = _place(server)
    server.finish()
    return ServerImplementation(
        name, description, url, package, endpoint, MappingProxyType(deviations), only_cases
    )


def _place(table: Table) -> tuple[str | None, Path | None]:
    url_text, package_text = table.optional_text("url"), table.optional_text("package")
    if (url_text is None) == (package_text is None):
        raise table.error("url", "expected either a url or a package, and not both")
    if url_text is not None:
        url = _base_url(url_text)
        if url is None:
            table.refuse("url", URL_EXPECTED, url_text)
        return url, None
    package = (table.path.parent / str(package_text)).resolve()
    if not (package / "__main__.py").is_file():
        table.refuse("package", "the folder of a package that python -m can run", package_text)
    return None, package


def _base_url(text: str) -> str | None:
    """The URL with a slash at its end, None where it is none that the cases can use."""
    try:
        parts = urlsplit(text)
        usable = parts.scheme == "http" and parts.hostname and parts.port != 0
    except ValueError:
        return None
    if not usable or parts.query or parts.fragment or parts.username or not text.isprintable():
        return None
    return text if text.endswith("/") else f"{text}/"
