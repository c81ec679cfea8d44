"""HTTP status: respond in the server's place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from multidict import CIMultiDict

from pytest_sharedworker.errors import ToxicError
from pytest_sharedworker.gateway.exchange_control import ExchangeControl
from pytest_sharedworker.gateway.headers import split_values
from pytest_sharedworker.gateway.messages import RawResponse
from pytest_sharedworker.gateway.toxics.base import Toxic, check_headers


@dataclass(frozen=True)
class HttpStatus(Toxic):
    """Respond with this status; the server never sees the request. The body is JSON by default."""

    status: int
    body: str | bytes = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    streams = ("upstream",)

    def __post_init__(self) -> None:
        self.require_number("status", at_least=200, at_most=599, whole=True)
        check_headers(self, self.headers)
        if not isinstance(self.body, (str, bytes)):
            raise ToxicError(f"the toxic {self.name!r} needs text or bytes as body, not {self.body!r}")

    async def apply(self, control: ExchangeControl, random: Random) -> RawResponse | None:
        """Respond."""
        headers = CIMultiDict({"Content-Type": "application/json"})
        headers.update(split_values(self.headers))
        return RawResponse(
            self.status, headers, self.body if isinstance(self.body, bytes) else self.body.encode()
        )
