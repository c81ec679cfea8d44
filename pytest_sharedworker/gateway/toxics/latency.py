"""Latency: delay the response, or the request."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from pytest_sharedworker.gateway.exchange_control import ExchangeControl
from pytest_sharedworker.gateway.messages import RawResponse
from pytest_sharedworker.gateway.toxics.base import Toxic


@dataclass(frozen=True)
class Latency(Toxic):
    """Delay the response (`stream="upstream"`: the request) by `latency` ms, give or take `jitter` ms."""

    latency: float
    jitter: float = 0

    streams = ("downstream", "upstream")

    def __post_init__(self) -> None:
        self.require_number("latency", at_least=0)
        self.require_number("jitter", at_least=0)

    async def apply(self, control: ExchangeControl, random: Random) -> RawResponse | None:
        """Pause; a jitter above the latency never makes a delay below 0."""
        await control.pause(max(0, self.latency + self.jitter * random.uniform(-1, 1)))
        return None
