"""Slicer: send the response in small pieces."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from random import Random

from pytest_sharedworker.gateway.toxics.base import MessagePlan, Stream, Toxic
from pytest_sharedworker.gateway.transfer import Transfer


@dataclass(frozen=True)
class Slicer(Toxic):
    """Send the response's body in slices of `average_size` bytes, `delay` ms apart.

    A message of the server on an open WebSocket takes as long as its slices.
    """

    average_size: int
    delay: float = 0

    acts_on_sockets = True

    def __post_init__(self) -> None:
        self.require_number("average_size", at_least=1, whole=True)
        self.require_number("delay", at_least=0)

    def shape(self, transfer: Transfer) -> None:
        """Make the pieces smaller."""
        transfer.piece_size = min(transfer.piece_size, self.average_size)
        transfer.piece_delay += self.delay

    def shape_message(self, plan: MessagePlan, stream: Stream, random: Random) -> None:
        """Delay a message by its slices: a browser shows it when the last one has come."""
        if plan.direction == stream:
            plan.sending_time += ceil(plan.size / self.average_size) * self.delay
