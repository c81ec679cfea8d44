"""Content that the gateway serves by itself: texts, files and folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_sharedworker.errors import GatewayError
from pytest_sharedworker.gateway.gateway import Gateway
from unit.support.servers import Upstream, send

NOT_SERVED = b"pytest-sharedworker's gateway serves nothing under this path and has no upstream"
ACCEPT_HTML = "Accept: text/html,application/xhtml+xml"


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """Make a folder with an index, a file, and a folder with another index."""
    folder = tmp_path / "app"
    (folder / "deep").mkdir(parents=True)
    (folder / "index.html").write_text("top")
    (folder / "app.js").write_text("run()")
    (folder / "deep" / "index.html").write_text("deep")
    (folder / "empty").mkdir()
    (tmp_path / "secret").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "secret")
    return folder


@pytest.fixture
def alone(lone_gateway: Gateway) -> Gateway:
    """Start a gateway with no server behind it."""
    lone_gateway._start()
    return lone_gateway


# --- texts and files ------------------------------------------------------------------------------


def test_served_content_does_not_reach_the_server(gateway: Gateway, upstream: Upstream) -> None:
    assert gateway.serve("/own.js", "self.a = 'ü';") == gateway.url + "/own.js"
    reply = send(gateway, "GET /own.js?v=1 HTTP/1.1")
    assert reply.body.decode() == "self.a = 'ü';"
    assert "javascript" in reply.header("Content-Type")[0]
    assert upstream.received == []


def test_status_headers_and_content_type_can_be_given(gateway: Gateway) -> None:
    gateway.serve("/a", b"[]", content_type="application/json", status=503, headers={"Retry-After": "1"})
    reply = send(gateway, "POST /a HTTP/1.1", body=b"x")
    assert (reply.status, reply.body, reply.header("Retry-After")) == (503, b"[]", ["1"])
    assert reply.header("Content-Type") == ["application/json"]
    assert reply.header("Cache-Control") == ["no-store"]


@pytest.mark.parametrize("cookies", ["a=1\nb=2", "a=1\r\nb=2"])
def test_value_of_several_lines_is_several_headers(gateway: Gateway, cookies: str) -> None:
    gateway.serve("/a", "x", headers={"Set-Cookie": cookies, "X-Empty": ""})
    reply = send(gateway, "GET /a HTTP/1.1")
    assert (reply.header("Set-Cookie"), reply.header("X-Empty")) == (["a=1", "b=2"], [""])


def test_headers_of_served_content_replace_the_defaults(gateway: Gateway) -> None:
    gateway.serve("/a.html", "x", headers={"cache-control": "max-age=1", "content-type": "text/x-own"})
    reply = send(gateway, "GET /a.html HTTP/1.1")
    assert reply.header("Cache-Control") == ["max-age=1"]
    assert reply.header("Content-Type") == ["text/x-own"]


@pytest.mark.parametrize(
    ("path", "body", "content_type"),
    [
        ("/a.css", "x", "text/css"),
        ("/a", "x", "text/plain; charset=utf-8"),
        ("/a", b"x", "application/octet-stream"),
        ("/", " <!DOCTYPE html><p>x", "text/html; charset=utf-8"),
        ("/a", "<html><p>x", "text/html; charset=utf-8"),
        ("/a", "<p>x", "text/plain; charset=utf-8"),
        ("/a.json", b"x", "application/json"),
    ],
)
def test_content_type_is_guessed(gateway: Gateway, path: str, body: str | bytes, content_type: str) -> None:
    gateway.serve(path, body)
    assert send(gateway, f"GET {path} HTTP/1.1").header("Content-Type") == [content_type]


def test_newest_content_of_a_path_counts(gateway: Gateway, app: Path) -> None:
    gateway.serve("/a", "old")
    gateway.serve_file("/a", app / "app.js")
    assert send(gateway, "GET /a HTTP/1.1").body == b"run()"
    gateway.serve("/a", "new")
    assert send(gateway, "GET /a HTTP/1.1").body == b"new"


def test_file_and_folder_are_served_as_they_are_now(gateway: Gateway, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    file = tmp_path / "deep" / "a.css"
    file.write_text("old")
    gateway.serve_file("/one", file, content_type="text/x-own")
    gateway.serve_directory("/all/", tmp_path)
    file.write_text("new")
    assert send(gateway, "GET /one HTTP/1.1").body == b"new"
    assert send(gateway, "GET /one HTTP/1.1").header("Content-Type") == ["text/x-own"]
    assert send(gateway, "GET /all/deep/a.css HTTP/1.1").header("Content-Type") == ["text/css"]


def test_file_that_was_removed_is_a_404(gateway: Gateway, app: Path) -> None:
    gateway.serve_file("/a.js", app / "app.js")
    (app / "app.js").unlink()
    reply = send(gateway, "GET /a.js HTTP/1.1")
    assert reply.status == 404
    assert b"cannot read the served file" in reply.body


def test_encoded_path_is_served(gateway: Gateway) -> None:
    gateway.serve("/ü b", "yes")
    assert send(gateway, "GET /%C3%BC%20b HTTP/1.1").body == b"yes"


# --- folders --------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["/app", "/app/"])
@pytest.mark.parametrize(
    ("path", "body"),
    [("/app/", b"top"), ("/app/index.html", b"top"), ("/app/deep/", b"deep"), ("/app/app.js?v=1", b"run()")],
)
def test_folder_serves_files_and_indexes(
    alone: Gateway, app: Path, prefix: str, path: str, body: bytes
) -> None:
    alone.serve_directory(prefix, app)
    reply = send(alone, f"GET {path} HTTP/1.1")
    assert (reply.status, reply.body) == (200, body)


def test_folder_at_the_root_serves_its_index(alone: Gateway, app: Path) -> None:
    alone.serve_directory("/", app)
    reply = send(alone, "GET / HTTP/1.1")
    assert (reply.body, reply.header("Content-Type")) == (b"top", ["text/html"])
    assert send(alone, "GET /deep/index.html HTTP/1.1").body == b"deep"


@pytest.mark.parametrize(("path", "location"), [("/app", "/app/"), ("/app/deep?a=%41", "/app/deep/?a=%41")])
def test_folder_without_a_slash_redirects(alone: Gateway, app: Path, path: str, location: str) -> None:
    alone.serve_directory("/app", app)
    reply = send(alone, f"GET {path} HTTP/1.1")
    assert (reply.status, reply.header("Location")) == (307, [location])


@pytest.mark.parametrize(
    "path", ["/app/empty/", "/app/empty", "/app/none.js", "/app/app.js/", "/appendix", "/app/%00"]
)
def test_folder_has_a_clean_404(alone: Gateway, app: Path, path: str) -> None:
    alone.serve_directory("/app", app)
    reply = send(alone, f"GET {path} HTTP/1.1", ACCEPT_HTML)
    assert (reply.status, reply.body) == (404, NOT_SERVED)


def test_missing_file_of_a_folder_goes_to_the_server(gateway: Gateway, upstream: Upstream, app: Path) -> None:
    gateway.serve_directory("/app", app)
    assert send(gateway, "GET /app/api HTTP/1.1").body == b"fine"
    assert [received.raw_path for received in upstream.received] == ["/app/api"]


def test_index_can_have_another_name(alone: Gateway, app: Path) -> None:
    alone.serve_directory("/app", app, index="app.js")
    assert send(alone, "GET /app/ HTTP/1.1").body == b"run()"
    assert send(alone, "GET /app/deep/ HTTP/1.1").status == 404


def test_longest_path_of_a_folder_counts(alone: Gateway, app: Path) -> None:
    alone.serve_directory("/a/deep", app / "deep")
    alone.serve_directory("/a", app)
    assert send(alone, "GET /a/deep/ HTTP/1.1").body == b"deep"
    alone.serve("/a/", "exact")
    assert send(alone, "GET /a/ HTTP/1.1").body == b"exact"


@pytest.mark.parametrize("path", ["/app/settings/profile", "/app/empty/", "/app/none"])
def test_single_page_app_serves_its_index_to_pages(alone: Gateway, app: Path, path: str) -> None:
    alone.serve_directory("/app", app, single_page=True)
    reply = send(alone, f"GET {path} HTTP/1.1", ACCEPT_HTML)
    assert (reply.status, reply.body, reply.header("Content-Type")) == (200, b"top", ["text/html"])


@pytest.mark.parametrize(
    "request_line", ["POST /app/a HTTP/1.1", "GET /app/a.js HTTP/1.1", "GET /other HTTP/1.1"]
)
def test_single_page_app_does_not_answer_other_requests(alone: Gateway, app: Path, request_line: str) -> None:
    alone.serve_directory("/app", app, single_page=True)
    assert send(alone, request_line, ACCEPT_HTML).status == 404
    assert send(alone, "GET /app/data HTTP/1.1", "Accept: application/json").status == 404


def test_single_page_app_serves_its_files(alone: Gateway, app: Path) -> None:
    alone.serve_directory("/app", app, single_page=True)
    assert send(alone, "GET /app/app.js HTTP/1.1", ACCEPT_HTML).body == b"run()"
    assert send(alone, "GET /app/deep/ HTTP/1.1", ACCEPT_HTML).body == b"deep"


@pytest.mark.parametrize("single_page", [False, True])
@pytest.mark.parametrize(
    "path",
    [
        "/all/../secret",
        "/all/%2e%2e/secret",
        "/all/..%2fsecret",
        "/all//etc/passwd",
        "/all/%2fetc/passwd",
        "/all/link",
        "/all/deep/..%2f..%2fsecret",
    ],
)
def test_no_path_leads_out_of_a_served_folder(
    alone: Gateway, app: Path, path: str, single_page: bool
) -> None:
    alone.serve_directory("/all/", app, single_page=single_page)
    reply = send(alone, f"GET {path} HTTP/1.1")
    assert (reply.status, reply.body) == (404, NOT_SERVED)


# --- wrong use ------------------------------------------------------------------------------------


def test_missing_files_and_folders_are_errors_with_advice(gateway: Gateway, app: Path) -> None:
    with pytest.raises(GatewayError, match="there is no such file"):
        gateway.serve_file("/a", app / "missing")
    with pytest.raises(GatewayError, match=r"serve_directory\(\) serves a folder"):
        gateway.serve_file("/a", app)
    with pytest.raises(GatewayError, match="there is no such folder"):
        gateway.serve_directory("/a", app / "missing")
    with pytest.raises(GatewayError, match=r"serve_file\(\) serves a file"):
        gateway.serve_directory("/a", app / "app.js")
    with pytest.raises(GatewayError, match=r"as a single-page app: it has no file 'main\.html'"):
        gateway.serve_directory("/a", app, index="main.html", single_page=True)


@pytest.mark.parametrize("path", ["a.js", "", "http://host/a.js"])
def test_path_without_a_slash_is_refused(gateway: Gateway, app: Path, path: str) -> None:
    for serve in (gateway.serve, gateway.serve_file, gateway.serve_directory):
        with pytest.raises(GatewayError, match="a path begins with a slash"):
            serve(path, str(app))


@pytest.mark.parametrize("path", ["/a?b=1", "/a#b", "/a/*"])
def test_path_with_a_query_or_a_glob_is_refused(gateway: Gateway, path: str) -> None:
    with pytest.raises(GatewayError, match="a route takes patterns"):
        gateway.serve(path, "1")


def test_wrong_bodies_and_statuses_are_refused(gateway: Gateway, app: Path) -> None:
    with pytest.raises(GatewayError, match=r"serve_file\(\) serves a file"):
        gateway.serve("/a", app)  # type: ignore[arg-type]
    with pytest.raises(GatewayError, match="a status from 200 to 599, not 99"):
        gateway.serve("/a", "", status=99)


def test_percent_encoded_path_is_refused(gateway: Gateway) -> None:
    with pytest.raises(GatewayError, match=r"write the path without percent-encoding, '/a b\.txt'"):
        gateway.serve("/a%20b.txt", "x")
