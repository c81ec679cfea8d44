"""Patterns: Playwright's globs, regular expressions and callables, and strings that cannot match."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from pytest_sharedworker.errors import GatewayError
from pytest_sharedworker.gateway.patterns import METHODS, Origin, Pattern

ORIGIN = "http://127.0.0.1:40123"


def compile_pattern(match: str | re.Pattern[str] | Callable[[str], bool]) -> Pattern:
    return Origin(ORIGIN).compile(match)


@pytest.mark.parametrize(
    ("glob", "path", "matches"),
    [
        ("**", "/", True),
        ("**", "/a/b?c=d/e", True),
        ("/", "/", True),
        ("/", "/a", False),
        ("/", "/?a=1", False),
        ("/api", "/api", True),
        ("/api", "/api/", False),
        ("/api", "/api?page=2", False),
        ("/API", "/api", False),
        ("/api?page=2", "/api?page=2", True),
        ("/api?page=2", "/apiXpage=2", False),
        ("/api?page=*", "/api?page=2&size=3", True),
        ("/api?page=*", "/api?page=a/b", False),
        ("/api?page=**", "/api?page=a/b", True),
        ("/api{,?**}", "/api", True),
        ("/api{,?**}", "/api?page=2", True),
        ("/api{,?**}", "/api/page", False),
        ("/api/*", "/api/a", True),
        ("/api/*", "/api/", True),
        ("/api/*", "/api", False),
        ("/api/*", "/api/a/b", False),
        ("/api/*", "/api/a?b=c", True),
        ("/api/*/c", "/api/b/c", True),
        ("/api/*/c", "/api/a/b/c", False),
        ("/api/**", "/api/a/b", True),
        ("/api/**/c", "/api/c", True),
        ("/api/**/c", "/api/a/b/c", True),
        ("/api/**/c", "/apic", False),
        ("**/c", "/c", True),
        ("**/c", "/a/b/c", True),
        ("**/c", "/abc", False),
        ("**c", "/abc", True),
        ("**/*.js", "/static/app.worker.js", True),
        ("**/*.js", "/static/app.worker.js?v=1", False),
        ("**/*.{js,css}", "/a.css", True),
        ("**/*.{js,css}", "/a.html", False),
        ("/{a,b/*}", "/b/c", True),
        ("/a,b", "/a,b", True),
        ("/[ab]", "/[ab]", True),
        ("/[ab]", "/a", False),
        ("/a.c", "/abc", False),
        ("/a+(b)$^|", "/a+(b)$^|", True),
        (r"/\*", "/*", True),
        (r"/\*", "/a", False),
        (r"/\{a\}", "/{a}", True),
        (r"/a\?b", "/a?b", True),
        ("/%C3%BC", "/%C3%BC", True),
        ("/a/../b/./c", "/b/c", True),
        ("/a/../b?c=..", "/b?c=..", True),
        ("*/**", "/a", True),
        ("http*://**/a", "/a", True),
        ("http{,s}://127.0.0.1:*/a", "/a", True),
        (ORIGIN, "/", True),
        (f"{ORIGIN}?a=1", "/?a=1", True),
        (f"{ORIGIN}/api/*", "/api/a", True),
        (f"HTTP{ORIGIN[4:]}/A", "/A", True),
        (f"HTTP{ORIGIN[4:]}/A", "/a", False),
        (f"{ORIGIN}**", "/a/b", True),
    ],
)
def test_glob_matches_as_in_playwright(glob: str, path: str, matches: bool) -> None:
    assert compile_pattern(glob).matches("GET", ORIGIN + path) is matches


@pytest.mark.parametrize("method", METHODS)
def test_method_before_a_glob_selects_requests(method: str) -> None:
    for text in (f"{method} **/api", f"{method.lower()} **/api"):
        pattern = compile_pattern(text)
        assert [each for each in (*METHODS, "PROPFIND") if pattern.matches(each, f"{ORIGIN}/api")] == [method]
        assert not pattern.matches(method, f"{ORIGIN}/other")


def test_regular_expression_is_searched_in_the_whole_url() -> None:
    pattern = compile_pattern(re.compile(r"/API\?page=\d", re.IGNORECASE))
    assert pattern.matches("PROPFIND", f"{ORIGIN}/api?page=2")
    assert not pattern.matches("GET", f"{ORIGIN}/api")


def test_callable_gets_the_whole_url() -> None:
    urls: list[str] = []

    def is_wanted(url: str) -> bool:
        urls.append(url)
        return url.endswith("=2")

    pattern = compile_pattern(is_wanted)
    assert pattern.matches("PROPFIND", f"{ORIGIN}/api?page=2")
    assert not pattern.matches("GET", f"{ORIGIN}/api")
    assert urls == [f"{ORIGIN}/api?page=2", f"{ORIGIN}/api"]
    assert str(pattern) == "is_wanted"


@pytest.mark.parametrize(
    ("text", "reason", "suggestion"),
    [
        ("", "it is empty", "**"),
        (" \t", "it is empty", "**"),
        ("PSOT /api", "'PSOT' is none of the methods", "POST /api"),
        ("GTE **", "'GTE' is none of the methods", "GET **"),
        ("POST: /api", "'POST:' is none of the methods", "POST /api"),
        ("XYZZY /api", "'XYZZY' is none of the methods", None),
        ("POST", "'POST' is a method without a glob", "POST **"),
        ("get", "'get' is a method without a glob", "GET **"),
        ("POST/api", "a space separates method and glob", "POST /api"),
        ("delete**/api", "a space separates method and glob", "DELETE **/api"),
        (" /api", "one space separates", "/api"),
        ("/api\n", "one space separates", "/api"),
        ("POST  /api", "one space separates", "POST /api"),
        ("POST\t/api", "one space separates", "POST /api"),
        ("/a b", "a URL has no white space", "/a%20b"),
        ("/a\tb", "a URL has no white space", "/a%20b"),
        ("/a /b", "'/a' is none of the methods", None),
        ("POST /a b c", "a URL has no white space", "POST /a%20b%20c"),
        ("GET POST", "'POST' is a method without a glob", "POST **"),
        ("*", "the URLs of this gateway begin with", "**"),
        ("POST *", "the URLs of this gateway begin with", "POST **"),
        ("*/api", "the URLs of this gateway begin with", "**/api"),
        ("GET */api/*", "the URLs of this gateway begin with", "GET **/api/*"),
        ("*.js", "the URLs of this gateway begin with", "**/*.js"),
        ("*worker*", "the URLs of this gateway begin with", "**/*worker*"),
        ("*/*", "the URLs of this gateway begin with", "**/*"),
        ("*//a", "the URLs of this gateway begin with", None),
        ("http://localhost/api", "begin with http://127.0.0.1:40123/", "/api"),
        ("http://localhost:40123/api", "begin with http://127.0.0.1:40123/", "/api"),
        ("http://127.0.0.1/api", "begin with http://127.0.0.1:40123/", "/api"),
        ("http://127.0.0.1:4012/api", "begin with http://127.0.0.1:40123/", "/api"),
        ("POST https://127.0.0.1:40123/api", "begin with http://127.0.0.1:40123/", "POST /api"),
        ("ws://127.0.0.1:40123/socket", "begin with http://127.0.0.1:40123/", "/socket"),
        ("https://*/api", "begin with http://127.0.0.1:40123/", "/api"),
        ("http://localhost", "begin with http://127.0.0.1:40123/", "/"),
        ("file:///tmp/a.html", "begin with http://127.0.0.1:40123/", "/tmp/a.html"),
        ("{ws,wss}://host/a", "begin with http://127.0.0.1:40123/", "/a"),
        ("//api/items", "begin with http://127.0.0.1:40123/", "/api/items"),
        ("//api", "begin with http://127.0.0.1:40123/", "/api"),
        ("api", "a glob begins with '/'", "**/api"),
        ("api/items", "a glob begins with '/'", "**/api/items"),
        ("POST api/items", "a glob begins with '/'", "POST **/api/items"),
        ("./api", "a glob begins with '/'", "**/api"),
        ("../api", "a glob begins with '/'", "**/api"),
        ("?page=2", "a glob begins with '/'", None),
        ("localhost:40123/api", "a glob begins with '/'", "/api"),
        ("127.0.0.1:40123", "a glob begins with '/'", "/"),
        ("about:blank", "a glob begins with '/'", "**/about:blank"),
        ("{/a,/b}", "a glob begins with '/'", None),
        ("/api#top", "a browser does not send the fragment", "/api"),
        ("GET **#top", "a browser does not send the fragment", "GET **"),
        (r"/api\#top", "a browser does not send the fragment", "/api"),
        ("/ü", "a browser percent-encodes 'ü'", "/%C3%BC"),
        ('GET /a"b', "a browser percent-encodes '\"'", "GET /a%22b"),
        ("/<id>", "a browser percent-encodes '<'", "/%3Cid%3E"),
        ("/a{b", "unmatched '{'", None),
        ("/a}b", "unmatched '}'", None),
        ("/{a,{b,c}}", "braces cannot be nested", None),
        ("/a\\", "a backslash that escapes nothing", None),
    ],
)
def test_string_that_cannot_match_is_refused(text: str, reason: str, suggestion: str | None) -> None:
    with pytest.raises(GatewayError) as error:
        compile_pattern(text)
    message = str(error.value)
    assert repr(text) in message
    assert reason in message
    if suggestion is not None:
        assert f"did you mean {suggestion!r}?" in message
        if suggestion != "POST **":
            compile_pattern(suggestion)


@pytest.mark.parametrize("match", [None, 5, b"/api", ["/api"], re.compile(b"/api")])
def test_value_that_is_no_pattern_is_refused(match: object) -> None:
    with pytest.raises(GatewayError, match="pattern"):
        compile_pattern(match)  # type: ignore[arg-type]


def test_web_socket_pattern_has_urls_that_begin_with_ws() -> None:
    origin = Origin(ORIGIN)
    for text in ("/socket", "**/socket", "ws://127.0.0.1:40123/socket"):
        assert origin.compile(text, web_socket=True).matches("GET", "ws://127.0.0.1:40123/socket")
    with pytest.raises(GatewayError, match=r"begin with ws://127.0.0.1:40123/; did you mean '/socket'"):
        origin.compile(f"{ORIGIN}/socket", web_socket=True)


def test_string_before_the_start_is_refused() -> None:
    with pytest.raises(GatewayError, match="start it first"):
        Origin().compile("/api")
    assert Origin().compile(re.compile("api")).matches("GET", "http://host/api")
