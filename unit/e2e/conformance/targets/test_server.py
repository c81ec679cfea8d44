"""Loading servers: a URL, a TOML file, and the errors of each."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.conformance.targets.server import load_server
from e2e.conformance.targets.toml_file import ImplementationError


@pytest.mark.parametrize("text", ["http://127.0.0.1:8080", "http://127.0.0.1:8080/app", "http://app.test/"])
def test_server_of_a_url_is_named_after_the_host(text: str) -> None:
    server = load_server(text)
    assert server.url is not None
    assert server.url.endswith("/")
    assert server.name == text.split("/")[2]
    assert server.package is None


@pytest.mark.parametrize(
    "spec",
    [
        "absent",
        "absent.toml",
        "https://app.test/",
        "ftp://app.test/",
        "http://",
        "http://app.test:port/",
        "http://app.test:99999/",
        "http://app.test:0/",
        "http://app.test/?a=b",
        "http://app.test/#a",
        "http://user@app.test/",
        "http://app.test/\n",
    ],
)
def test_other_text_is_refused(spec: str) -> None:
    with pytest.raises(ImplementationError, match="expected"):
        load_server(spec)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], r"url: expected either a url or a package, and not both"),
        (['url = "http://app.test"', 'package = "."'], r"url: expected either a url or a package"),
        (['url = "app.test"'], r"url: expected an http URL"),
        (['package = "nowhere"'], r"package: expected the folder of a package"),
        (['url = "http://app.test"', "port = 1"], r"server\.port: is not known"),
    ],
)
def test_wrong_toml_is_refused(tmp_path: Path, lines: list[str], message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("\n".join(['name = "mine"', "[server]", *lines]), encoding="utf-8")
    with pytest.raises(ImplementationError, match=message):
        load_server(str(path))


def test_toml_can_name_the_endpoint(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\n[server]\nurl = "http://a.test/b"\nendpoint = "/v1/events"\n', "utf-8")
    server = load_server(str(path))
    assert (server.url, server.endpoint) == ("http://a.test/b/", "v1/events")
