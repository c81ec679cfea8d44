"""What a test does with an origin that it has put behind a name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_sharedworker.gateway.origins.registry import NamedOrigin
from pytest_sharedworker.gateway.patterns import EVERYTHING, Pattern, URLMatch
from pytest_sharedworker.gateway.router import Handler, RouteRule
from pytest_sharedworker.gateway.toxics import AppliedToxic, Stream, Toxic
from pytest_sharedworker.gateway.web_socket_route import WebSocketHandler, WebSocketRule

if TYPE_CHECKING:
    from pytest_sharedworker.gateway.gateway import Gateway


class GatewayOrigin:
    """An origin of a test, such as https://app.example.test; `gateway.origin` returns it.

    Its methods are those of Gateway, for this origin: a path is one of it, and patterns match its URLs only.
    """

    def __init__(self, gateway: Gateway, named: NamedOrigin) -> None:
        self._gateway = gateway
        self._named = named

    @property
    def url(self) -> str:
        """The origin, with no slash at its end."""
        return self._named.origin.url

    def serve(
        self,
        path: str,
        body: str | bytes = "",
        *,
        content_type: str | None = None,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> str:
        """Serve text or bytes under a path, as `gateway.serve` does; return the URL. Raise GatewayError."""
        self._named.content.serve(path, body, content_type, status, headers)
        return self.url + path

    def serve_file(self, path: str, file: str | Path, *, content_type: str | None = None) -> str:
        """Serve a file under a path, as it is at each request; return the URL. Raise GatewayError."""
        self._named.content.serve_file(path, Path(file), content_type)
        return self.url + path

    def serve_directory(
        self, path: str, folder: str | Path, *, index: str = "index.html", single_page: bool = False
    ) -> str:
        """Serve a folder, as `gateway.serve_directory` does; return the URL. Raise GatewayError."""
        self._named.content.serve_directory(path, Path(folder), index, single_page)
        return self.url + path

    def rewrite(self, path: str, upstream_path: str) -> None:
        """Request `upstream_path` of the server where the browser requests `path`. Raise GatewayError."""
        self._named.upstream.rewrite(path, upstream_path)

    def route(
        self, url: URLMatch, handler: Handler, *, times: int | None = None, optional: bool = False
    ) -> RouteRule:
        """Have `handler` decide on the requests of a pattern, as `gateway.route` does. Raise GatewayError."""
        return self._gateway.route(self._restrict(url), handler, times=times, optional=optional)

    def route_web_socket(
        self, url: URLMatch, handler: WebSocketHandler, *, optional: bool = False
    ) -> WebSocketRule:
        """Have `handler` mock the WebSockets of a pattern; their URLs begin with `wss:` or `ws:`.

        Raise GatewayError.
        """
        pattern = self._restrict(url, web_socket=True)
        return self._gateway.route_web_socket(pattern, handler, optional=optional)

    def add_toxic(
        self,
        toxic: Toxic,
        *,
        on: URLMatch = EVERYTHING,
        stream: Stream | None = None,
        times: int | None = None,
        toxicity: float = 1.0,
        seed: int | None = None,
        optional: bool = False,
    ) -> AppliedToxic:
        """Break the exchanges of this origin that match, as `gateway.add_toxic` does.

        `Down` takes all origins of the gateway. Raise ToxicError or GatewayError.
        """
        takes_all = isinstance(toxic, Toxic) and toxic.refuses_connections(worker_started=True)
        return self._gateway.add_toxic(
            toxic,
            on=on if takes_all else self._restrict(on),
            stream=stream,
            times=times,
            toxicity=toxicity,
            seed=seed,
            optional=optional,
        )

    def _restrict(self, url: URLMatch, *, web_socket: bool = False) -> Pattern:
        """Return a pattern that matches URLs of this origin only."""
        origin = self._named.origin
        prefix = (origin.web_socket_url if web_socket else origin.url) + "/"
        pattern = origin.compile(url, web_socket=web_socket)
        match_url = pattern._match_url
        return replace(pattern, _match_url=lambda whole: whole.startswith(prefix) and bool(match_url(whole)))

    def __repr__(self) -> str:
        return f"<GatewayOrigin {self.url}>"
