"""A worker as the control channel sees it: it announces requests."""

from __future__ import annotations

import json
from types import TracebackType
from urllib.request import urlopen

from pytest_sharedworker.control.server import ControlServer
from pytest_sharedworker.gateway.gateway import Gateway


class AnnouncingWorker:
    """Starts at a URL of the gateway; a context manager that closes its registry."""

    def __init__(self, control: ControlServer, gateway: Gateway, path: str = "/own.worker.js") -> None:
        self._control = control
        self._registry = control.open_registry()
        self._host = gateway.url.removeprefix("http://")
        start = {"token": self._registry.token, "name": "", "url": gateway.url + path, "atMs": 0}
        self.id: str = json.loads(self._post("/start", start))["id"]
        self.url = gateway.url + path

    def announce(
        self,
        target: str = "/",
        *,
        method: str = "GET",
        number: int | None = 1,
        virtual_time: float | None = None,
        has_own_referrer: bool = False,
    ) -> None:
        """Announce a request."""
        message = {
            "event": "request",
            "number": number,
            "method": method,
            "scheme": "http",
            "host": self._host,
            "target": target,
            "virtualMs": virtual_time,
            "hasOwnReferrer": has_own_referrer,
        }
        self._post(f"/messages/{self.id}", [message])

    def end(self, number: int) -> None:
        """Say that a request has ended."""
        self._post(f"/messages/{self.id}", [{"event": "requestEnd", "request": number}])

    def _post(self, path: str, message: object) -> bytes:
        body = json.dumps(message).encode()
        with urlopen(f"http://127.0.0.1:{self._control.port}{path}", body) as response:
            return bytes(response.read())

    def __enter__(self) -> AnnouncingWorker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._control.close_registry(self._registry)
