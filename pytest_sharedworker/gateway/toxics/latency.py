"""Latency: delay the response, or the request."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from pytest_sharedworker.gateway.exchange_control import ExchangeControl
from pytest_sharedworker.gateway.messages import RawResponse
from pytest_sharedworker.gateway.toxics.base import MessagePlan, Stream, Toxic


@dataclass(frozen=True)
class Latency(Toxic):
    """Delay the response (`stream="upstream"`: the request) by `latency` ms, give or take `jitter` ms.

    On an open WebSocket, delay each message of that direction.
    """

    latency: float
    jitter: float = 0

    streams = ("downstream", "upstream")
    acts_on_sockets = True

    def __post_init__(self) -> None:
        self.require_number("latency", at_least=0)
        self.require_number("jitter", at_least=0)

    async def apply(self, control: ExchangeControl, random: Random) -> RawResponse | None:
        """Pause; a jitter above the latency never makes a delay below 0."""
        await control.pause(self._draw_delay(random))
        return None

    def shape_message(self, plan: MessagePlan, stream: Stream, random: Random) -> None:
        """Delay a message of this toxic's stream."""
        if plan.direction == stream:
            plan.delay += self._draw_delay(random)

    def _draw_delay(self, random: Random) -> float:
        return max(0, self.latency + self.jitter * random.uniform(-1, 1))
