"""Patterns: select requests by method and URL, with Playwright's globs, a regular expression, or a callable.

| in a glob | matches |
|---|---|
| `*` | any characters except `/` |
| `**` | any characters |
| `{a,b}` | `a` or `b` |
| `?`, `[`, `]` | themselves |
| `\\*` | the character after the backslash |

A pattern applies to the whole URL, with its query. A glob that begins with `/` is resolved against the
gateway's origin. A method may precede a glob: `"POST **/api"`. A regular expression is searched in the URL; a
callable gets the URL; both see requests of every method. A method that is not in `METHODS` (WebDAV has some)
can be selected only with them.

A string that cannot match any request of the gateway raises GatewayError, because a test that uses it would
test nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import NoReturn, TypeAlias
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

from pytest_sharedworker.errors import GatewayError
from pytest_sharedworker.gateway.glob_tokens import GlobError, advance, parse_glob

URLMatch: TypeAlias = str | re.Pattern[str] | Callable[[str], bool]

METHODS = ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")
"""The methods of `http.HTTPMethod`, which Python has since 3.11."""

EVERYTHING = "**"

INLINE_SCHEMES = ("blob:", "data:")
"""Of scripts that are in their URLs, or in a document."""

_SCHEME = re.compile(r"[^/?]*:(?=//)")
_METHOD_AND_GLOB = re.compile(rf"({'|'.join(METHODS)})(?=[/*])", re.IGNORECASE)
_HOST_AND_PORT = re.compile(r"^[\w.-]+:\d+(?=/|$)")
_NEVER_IN_URL = re.compile(r"[^\x21-\x7e]|[\"<>]")
"""Characters that browsers percent-encode everywhere in a URL."""


class Origin:
    """The gateway's origin, which is known once the gateway listens; compiles patterns against it."""

    def __init__(self, url: str = "") -> None:
        self.url = url
        """For example `http://127.0.0.1:40123`, with no slash at the end."""
        self.is_proxy = False
        """Whether requests to all other origins come to the gateway, too."""

    def compile(self, match: URLMatch, *, web_socket: bool = False) -> Pattern:
        """Return a compiled pattern, of URLs that begin with `ws:` for `web_socket`. Raise GatewayError."""
        if isinstance(match, Pattern):
            return match
        if isinstance(match, str) and not self.url:
            raise GatewayError(f"the gateway has no origin to resolve {match!r} against: start it first")
        url = self.web_socket_url if web_socket else self.url
        return Pattern.compile(match, url, is_proxy=self.is_proxy)

    def compile_script(self, match: URLMatch) -> Pattern:
        """Return a compiled pattern of a worker's script, which may be in a blob: or data: URL.

        Raise GatewayError.
        """
        if isinstance(match, str) and match.startswith(INLINE_SCHEMES):
            return Pattern.compile_inline(match)
        return self.compile(match)

    @property
    def web_socket_url(self) -> str:
        """The origin as a WebSocket has it."""
        return to_web_socket_url(self.url)

    def has(self, url: str) -> bool:
        """Return whether a whole URL is one of this origin."""
        return url.startswith(self.url + "/")

    def covers(self, url: str) -> bool:
        """Return whether requests for a whole URL come to the gateway."""
        return self.is_proxy or self.has(self.normalize(url))

    def normalize(self, url: str) -> str:
        """Put the origin's own host name in place of another one of it, such as localhost."""
        own, parts = urlsplit(self.url), urlsplit(url)
        if parts.scheme == own.scheme and own.port and parts.netloc.rpartition(":")[2] == str(own.port):
            return urlunsplit(parts._replace(netloc=own.netloc))
        return url

    def list_forms(self, url: str) -> list[str]:
        """Return the URLs that patterns may name a request by: a WebSocket's handshake has two."""
        handshake = self.normalize(re.sub(r"^ws", "http", url))
        return [handshake, to_web_socket_url(handshake)] if url.startswith("ws") else [handshake]


def to_web_socket_url(url: str) -> str:
    """Return a URL as a WebSocket has it."""
    return re.sub(r"^http", "ws", url)


@dataclass(frozen=True)
class Pattern:
    """A compiled pattern: a method (None: every method) and a test of the URL."""

    method: str | None
    text: str
    """The pattern as a person reads it."""
    _match_url: Callable[[str], object]
    is_glob: bool = False
    """Whether the text is a glob, neither a regular expression nor a function."""

    @classmethod
    def compile(cls, match: URLMatch, origin: str, *, is_proxy: bool = False) -> Pattern:
        """Compile a pattern for URLs of an origin, with `is_proxy` of any origin.

        Raise GatewayError for one that cannot match any.
        """
        if isinstance(match, re.Pattern):
            if not isinstance(match.pattern, str):
                raise GatewayError(f"{match!r} is a pattern of bytes; URLs are text")
            return cls(None, repr(match), match.search)
        if isinstance(match, str):
            method, glob = _split_method(match)
            return cls(method, match, _compile_glob(glob, origin, match, is_proxy).fullmatch, True)
        if callable(match):
            return cls(None, getattr(match, "__name__", None) or repr(match), match)
        raise GatewayError(
            f"a pattern is a glob, a regular expression or a callable that takes a URL, not {match!r}"
        )

    @classmethod
    def compile_inline(cls, glob: str) -> Pattern:
        """Compile a glob of blob: or data: URLs. Raise GatewayError."""
        try:
            regex = "".join(token.regex for token in parse_glob(glob))
        except GlobError as error:
            _refuse(glob, str(error))
        return cls(None, glob, re.compile(regex, re.DOTALL).fullmatch)

    def matches(self, method: str, url: str) -> bool:
        """Return whether a request with this method and whole URL is selected."""
        return self.method in (None, method) and bool(self._match_url(url))

    def __call__(self, url: str) -> bool:
        """Return whether a whole URL is selected: a pattern is a URLMatch, too."""
        return bool(self._match_url(url))

    def __str__(self) -> str:
        return self.text


def _refuse(text: str, reason: str, suggestion: str | None = None) -> NoReturn:
    hint = f"; did you mean {suggestion!r}?" if suggestion else ""
    raise GatewayError(f"the pattern {text!r} cannot match any request: {reason}{hint}")


# --- method ----------------------------------------------------------------------------------------


def _split_method(text: str) -> tuple[str | None, str]:
    words = text.split()
    if not words:
        _refuse(text, "it is empty", EVERYTHING)
    method = words[0].upper() if words[0].upper() in METHODS else None
    if len(words) == 1 and text == words[0]:
        return None, text
    if len(words) == 2 and method and text == " ".join(words):
        return method, words[1]
    if len(words) == 1 or (len(words) == 2 and method):
        _refuse(
            text, "one space separates method and glob, and there is no other white space", " ".join(words)
        )
    if len(words) == 2 and words[1].startswith(("/", "*", "http")):
        near = get_close_matches(words[0].upper().strip(":"), METHODS, n=1)
        reason = f"{words[0]!r} is none of the methods {', '.join(METHODS)}"
        _refuse(text, reason, f"{near[0]} {words[1]}" if near else None)
    glob = "%20".join(words[1:] if method else words)
    _refuse(text, "a URL has no white space", f"{method} {glob}" if method else glob)


# --- glob ------------------------------------------------------------------------------------------


def _compile_glob(glob: str, origin: str, text: str, is_proxy: bool) -> re.Pattern[str]:
    def suggest(better: str | None) -> str | None:
        return better and text.removesuffix(glob) + better

    _check_characters(glob, text, suggest)
    absolute = _resolve(glob, origin, text, suggest)
    try:
        tokens = parse_glob(absolute)
    except GlobError as error:
        _refuse(text, str(error))
    prefix = origin + "/"
    is_any_origin = is_proxy and (glob.startswith(("//", "**")) or _SCHEME.match(glob))
    if not is_any_origin and len(prefix) not in advance(tokens, prefix, {0}):
        reason = f"the URLs of this gateway begin with {prefix}"
        _refuse(text, reason, suggest(_suggest_glob(glob)))
    return re.compile("".join(token.regex for token in tokens), re.DOTALL)


def _check_characters(glob: str, text: str, suggest: Callable[[str | None], str | None]) -> None:
    if "#" in glob:
        reason = "a browser does not send the fragment of a URL"
        _refuse(text, reason, suggest(glob.partition("#")[0].rstrip("\\") or None))
    if wrong := _NEVER_IN_URL.search(glob):
        encoded = _NEVER_IN_URL.sub(lambda found: quote(found[0]), glob)
        _refuse(text, f"a browser percent-encodes {wrong[0]!r}", suggest(encoded))


def _resolve(glob: str, origin: str, text: str, suggest: Callable[[str | None], str | None]) -> str:
    """Return the glob as one of absolute URLs."""
    if glob.startswith("*"):
        return glob
    if glob.startswith("//"):
        return _with_path(origin.partition(":")[0] + ":" + glob)
    if glob.startswith("/"):
        return origin + _resolve_dots(glob)
    if _SCHEME.match(glob):
        return _with_path(glob)
    if glob.upper() in METHODS:
        _refuse(text, f"{glob!r} is a method without a glob", f"{glob.upper()} {EVERYTHING}")
    if method := _METHOD_AND_GLOB.match(glob):
        _refuse(text, "a space separates method and glob", f"{method[1].upper()} {glob[method.end() :]}")
    reason = f"a glob begins with '/', with '*' or with the gateway's origin {origin}"
    path = _HOST_AND_PORT.sub("", glob)
    if path != glob:
        _refuse(text, reason, suggest(path or "/"))
    _refuse(text, reason, suggest(f"**/{glob.lstrip('./')}" if glob[0] not in "{}?,\\" else None))


def _with_path(url: str) -> str:
    """Lower scheme and host, which URLs have in lower case, and add the path `/` if it is missing."""
    scheme, _, rest = url.partition("//")
    host, slash, path = rest.partition("/")
    if not slash and "**" not in host:
        host, mark, query = host.partition("?")
        return f"{scheme.lower()}//{host.lower()}/{mark}{query}"
    return f"{scheme.lower()}//{host.lower()}{_resolve_dots(slash + path)}"


def _resolve_dots(path: str) -> str:
    """Resolve `.` and `..`, as a browser does before it sends a URL."""
    if not re.search(r"/\.{1,2}(/|$)", path):
        return path
    segments = path.split("/")
    # Only the dots mean something to urljoin: the rest, whose `?` may be no query, is hidden from it.
    hidden = [
        segment if segment in (".", "..", "") else f"s{number}" for number, segment in enumerate(segments)
    ]
    joined = urljoin("http://host/", "/".join(hidden)).removeprefix("http://host").split("/")
    return "/".join(segments[int(each[1:])] if each.startswith("s") else each for each in joined)


def _suggest_glob(glob: str) -> str | None:
    """Return a glob near to one that names another origin or stops at a slash."""
    if glob.startswith("//"):
        return glob[1:]
    if _SCHEME.match(glob):
        _, slash, path = glob.partition("//")[2].partition("/")
        return slash + path if path else "/"
    if glob.startswith("*"):
        if set(glob) == {"*"}:
            return EVERYTHING
        return f"*{glob}" if glob.startswith("*/") else f"**/{glob}"
    return None
