"""Send one HTTP request as raw bytes, also malformed ones, and read its response."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from typing import Any
from urllib.parse import urlsplit

from e2e.conformance.case import FindingError

RESPONSE_TIMEOUT_SECONDS = 20
CLOSED = 0
"""The status of a request whose connection was closed without a response."""

SHOWN_BYTES = 200
JSON_TYPE = "application/json"

Headers = Mapping[str, "str | Sequence[str] | None"]
"""Name → value. Several values make several header lines; None omits a header that is sent by default."""


@dataclass(frozen=True)
class Response:
    """A response. `status` is CLOSED (0) if the server closed the connection without a response."""

    status: int
    headers: Message
    body: bytes

    @property
    def content_type(self) -> str:
        """The media type without parameters, in lower case; empty if the header is missing."""
        return self.headers.get("Content-Type", "").split(";")[0].strip().lower()

    def json(self) -> Any:
        """Parse the body as JSON. Raise FindingError if it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise FindingError("a JSON response", str(self)) from error

    def get_member(self, name: str) -> object:
        """Return a member of the JSON object in the body, or None if the body is anything else."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return None
        return value.get(name) if isinstance(value, dict) else None

    @property
    def is_success(self) -> bool:
        """Whether the worker may delete what it sent: 200 with `{"status": "success"}`."""
        return self.status == 200 and self.get_member("status") == "success"

    def __str__(self) -> str:
        if self.status == CLOSED:
            return "connection closed without a response"
        shown = self.body[:SHOWN_BYTES].decode("utf-8", "backslashreplace")
        return f"{self.status} {shown}{'…' if len(self.body) > SHOWN_BYTES else ''}".rstrip()


class Client:
    """An HTTP client for one server. Each request opens a new connection and asks the server to close it."""

    def __init__(self, base_url: str, endpoint: str) -> None:
        parts = urlsplit(base_url)
        assert parts.hostname is not None
        self.base_path = parts.path
        self.endpoint_path = parts.path + endpoint
        self.host_name = parts.hostname
        self.port = parts.port or http.client.HTTP_PORT
        self.host = parts.netloc
        """The value of the Host header: name and port."""
        self.origin = f"http://{parts.netloc}"
        self.exchanges: list[str] = []
        """A summary of each exchange, oldest first."""

    def request(
        self,
        method: str = "POST",
        path: str | None = None,
        body: bytes | None = None,
        headers: Headers | None = None,
    ) -> Response:
        """Send a request (to the telemetry endpoint by default) and return the response."""
        return self.send(self.build_head(method, path, body, headers) + (body or b""), method=method)

    def build_head(
        self,
        method: str = "POST",
        path: str | None = None,
        body: bytes | None = None,
        headers: Headers | None = None,
    ) -> bytes:
        """Return the request line and headers: the usual headers of a client, overridden by `headers`."""
        given = {name.lower() for name in headers or {}}
        defaults = {"Host": self.host, "Connection": "close"}
        if body is not None:
            defaults |= {"Content-Type": JSON_TYPE, "Content-Length": str(len(body))}
        lines = [f"{method} {self.endpoint_path if path is None else path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in defaults.items() if name.lower() not in given]
        for name, values in (headers or {}).items():
            for value in [values] if isinstance(values, str) else values or []:
                lines.append(f"{name}: {value}")
        return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1")

    def send(self, *parts: bytes, stream: Iterable[bytes] = (), method: str = "POST") -> Response:
        """Send raw bytes and return one response.

        `stream` is sent after `parts`, until the server closes the connection.
        Raise FindingError if no response arrives within RESPONSE_TIMEOUT_SECONDS.
        """
        data = b"".join(parts)
        shown = data[:SHOWN_BYTES].decode("utf-8", "backslashreplace")
        response = self._exchange(data, stream, method)
        self.exchanges.append(f"→ {shown}\n← {response}")
        return response

    def connect(self) -> socket.socket:
        """Open a connection. The caller closes it."""
        return socket.create_connection((self.host_name, self.port), RESPONSE_TIMEOUT_SECONDS)

    def _exchange(self, data: bytes, stream: Iterable[bytes], method: str) -> Response:
        try:
            with self.connect() as connection:
                try:
                    connection.sendall(data)
                    for part in stream:
                        connection.sendall(part)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # The server stopped reading, but may have sent a response before.
                return read_response(connection, method)
        except TimeoutError:
            raise FindingError("a response", f"none within {RESPONSE_TIMEOUT_SECONDS} s") from None


def read_response(connection: socket.socket, method: str = "POST") -> Response:
    """Return one response and leave the connection open. Raise TimeoutError if none arrives."""
    response = http.client.HTTPResponse(connection, method=method)
    try:
        response.begin()
        return Response(response.status, response.headers, response.read())
    except TimeoutError:
        raise
    except (http.client.HTTPException, OSError):
        return Response(CLOSED, Message(), b"")
    finally:
        response.close()
