"""One request and its answer, in raw bytes: also what no proper client would send."""

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

ANSWER_TIMEOUT_SECONDS = 20
CLOSED = 0
"""The status of a request whose connection was closed without an answer."""

SHOWN_BYTES = 200
JSON_TYPE = "application/json"

Headers = Mapping[str, "str | Sequence[str] | None"]
"""Name → value; several values are several lines, None leaves a line out that would be sent by itself."""


@dataclass(frozen=True)
class Response:
    """What came back. `status` is CLOSED (0) where the server ended the connection without a word."""

    status: int
    headers: Message
    body: bytes

    @property
    def content_type(self) -> str:
        """The media type without parameters, in lower case; empty where there is none."""
        return self.headers.get("Content-Type", "").split(";")[0].strip().lower()

    def json(self) -> Any:
        """The body as JSON. Raises FindingError where it is none."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise FindingError("an answer in JSON", str(self)) from error

    def word(self, name: str) -> object:
        """A member of a JSON object, None for anything else: for answers that may be of any shape."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return None
        return value.get(name) if isinstance(value, dict) else None

    @property
    def succeeded(self) -> bool:
        """Whether a worker may forget what it sent: 200 with `{"status": "success"}`."""
        return self.status == 200 and self.word("status") == "success"

    def __str__(self) -> str:
        if self.status == CLOSED:
            return "connection closed without an answer"
        shown = self.body[:SHOWN_BYTES].decode("utf-8", "backslashreplace")
        return f"{self.status} {shown}{'…' if len(self.body) > SHOWN_BYTES else ''}".rstrip()


class Client:
    """Talks to one server; every request has a connection of its own unless it says otherwise."""

    def __init__(self, base_url: str, endpoint: str) -> None:
        parts = urlsplit(base_url)
        assert parts.hostname is not None
        self.base_path = parts.path
        self.endpoint_path = parts.path + endpoint
        self.host_name = parts.hostname
        self.port = parts.port or http.client.HTTP_PORT
        self.host = parts.netloc
        """What the header Host says: name and port."""
        self.origin = f"http://{parts.netloc}"
        self.exchanges: list[str] = []
        """A line for each exchange, oldest first."""

    def request(
        self,
        method: str = "POST",
        path: str | None = None,
        body: bytes | None = None,
        headers: Headers | None = None,
    ) -> Response:
        """Send a request (to the endpoint where no path is given) and read the answer."""
        return self.send(self.head(method, path, body, headers) + (body or b""), method=method)

    def head(
        self,
        method: str = "POST",
        path: str | None = None,
        body: bytes | None = None,
        headers: Headers | None = None,
    ) -> bytes:
        """The bytes of a request in front of its body: headers that a proper client sends, then `headers`."""
        given = {name.lower() for name in headers or {}}
        proper = {"Host": self.host, "Connection": "close"}
        if body is not None:
            proper |= {"Content-Type": JSON_TYPE, "Content-Length": str(len(body))}
        lines = [f"{method} {self.endpoint_path if path is None else path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in proper.items() if name.lower() not in given]
        for name, values in (headers or {}).items():
            for value in [values] if isinstance(values, str) else values or []:
                lines.append(f"{name}: {value}")
        return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1")

    def send(self, *parts: bytes, more: Iterable[bytes] = (), method: str = "POST") -> Response:
        """Send bytes as they stand and read one answer. `more` is taken only while the server takes it.

        Raises FindingError where no answer comes within ANSWER_TIMEOUT_SECONDS.
        """
        started = b"".join(parts)
        shown = started[:SHOWN_BYTES].decode("utf-8", "backslashreplace")
        answer = self._exchange(started, more, method)
        self.exchanges.append(f"→ {shown}\n← {answer}")
        return answer

    def connect(self) -> socket.socket:
        """Open a connection, for the caller to close."""
        return socket.create_connection((self.host_name, self.port), ANSWER_TIMEOUT_SECONDS)

    def _exchange(self, started: bytes, more: Iterable[bytes], method: str) -> Response:
        try:
            with self.connect() as connection:
                try:
                    connection.sendall(started)
                    for part in more:
                        connection.sendall(part)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # The server has heard enough; its answer may be there all the same.
                return read_answer(connection, method)
        except TimeoutError:
            raise FindingError("an answer", f"none within {ANSWER_TIMEOUT_SECONDS} s") from None


def read_answer(connection: socket.socket, method: str = "POST") -> Response:
    """Read one answer; the connection stays open. Raises TimeoutError where none comes."""
    answer = http.client.HTTPResponse(connection, method=method)
    try:
        answer.begin()
        return Response(answer.status, answer.headers, answer.read())
    except TimeoutError:
        raise
    except (http.client.HTTPException, OSError):
        return Response(CLOSED, Message(), b"")
    finally:
        answer.close()
