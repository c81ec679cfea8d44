"""The URLs of a worker's script: the origin has several host names, and a script may be redirected."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urljoin

from pytest_sharedworker.gateway.journal import Journal
from pytest_sharedworker.gateway.patterns import Origin

_REDIRECTS = (301, 302, 303, 307, 308)
_MAX_REDIRECTS = 20
"""As many as a browser follows (Fetch, 4.4: HTTP-redirect fetch)."""


class ScriptUrls:
    """Tells which URLs are those of one script, by the gateway's journal."""

    def __init__(
        self,
        origin: Origin,
        journal: Journal,
        find_wrapped: Callable[[str], str | None] = lambda url: None,
    ) -> None:
        """Make it; `find_wrapped` returns the URL of the blob that runs in place of a blob's."""
        self._find_wrapped = find_wrapped
        self._origin = origin
        self._journal = journal

    def resolve(self, url: str) -> str:
        """Return the URL at which the script of `url` is, on the gateway's own host name."""
        url = self._origin.normalize(url)
        for _ in range(_MAX_REDIRECTS):
            target = self._get_redirect(url)
            if target is None:
                return url
            url = self._origin.normalize(target)
        return url

    def find_aliases(self, url: str) -> set[str]:
        """Return all URLs under which tabs may have started the worker at `url`."""
        if wrapped := self._find_wrapped(url):
            return {url, wrapped}
        resolved = self.resolve(url)
        redirected = (exchange.url for exchange in self._journal if exchange.status in _REDIRECTS)
        return {url, resolved, *(each for each in redirected if self.resolve(each) == resolved)}

    def is_same(self, url: str, other: str) -> bool:
        """Return whether two URLs are those of one script."""
        return url == other or self.resolve(url) == self.resolve(other)

    def _get_redirect(self, url: str) -> str | None:
        for exchange in reversed(list(self._journal)):
            if exchange.url == url:
                location = exchange.response_headers.get("Location")
                return urljoin(url, location) if exchange.status in _REDIRECTS and location else None
        return None
