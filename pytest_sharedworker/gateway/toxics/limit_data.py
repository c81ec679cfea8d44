"""Limit data: cut the response off."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from pytest_sharedworker.gateway.toxics.base import MessagePlan, Stream, Toxic
from pytest_sharedworker.gateway.transfer import Transfer


@dataclass(frozen=True)
class LimitData(Toxic):
    """Send `bytes` bytes of the response's body, then reset the connection.

    An open WebSocket is reset at the first message of the server that exceeds the limit.
    """

    bytes: int

    needs_whole_response = True
    acts_on_sockets = True

    def __post_init__(self) -> None:
        self.require_number("bytes", at_least=0, whole=True)

    def shape(self, transfer: Transfer) -> None:
        """Limit the body."""
        transfer.limit = self.bytes if transfer.limit is None else min(transfer.limit, self.bytes)

    def shape_message(self, plan: MessagePlan, stream: Stream, random: Random) -> None:
        """Drop a message that exceeds the limit, and end the connection."""
        if plan.direction == stream and plan.passed + plan.size > self.bytes:
            plan.is_dropped = plan.ends_connection = True
