"""Bandwidth: send the response slowly."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from pytest_sharedworker.gateway.toxics.base import MessagePlan, Stream, Toxic
from pytest_sharedworker.gateway.transfer import Transfer

_LOWEST_RATE = 0.001


@dataclass(frozen=True)
class Bandwidth(Toxic):
    """Send the response's body, or the server's messages on an open WebSocket, at `rate` KiB a second."""

    acts_on_sockets = True

    rate: float

    def __post_init__(self) -> None:
        self.require_number("rate", at_least=_LOWEST_RATE)

    def shape(self, transfer: Transfer) -> None:
        """Delay each byte."""
        transfer.byte_delay = max(transfer.byte_delay, 1000 / (self.rate * 1024))

    def shape_message(self, plan: MessagePlan, stream: Stream, random: Random) -> None:
        """Delay a message by its size."""
        if plan.direction == stream:
            plan.sending_time += plan.size * 1000 / (self.rate * 1024)
