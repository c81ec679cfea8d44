"""Timeout: stop all data, then close the connection."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from pytest_sharedworker.gateway.exchange_control import ExchangeControl
from pytest_sharedworker.gateway.messages import RawResponse
from pytest_sharedworker.gateway.toxics.base import MessagePlan, SocketEnd, Stream, Toxic


@dataclass(frozen=True)
class Timeout(Toxic):
    """Let nothing through, and close the connection after `timeout` ms (0: never).

    The server sees no request, or with `stream="downstream"` sees it and its response is lost. On WebSockets
    that are open no message arrives, with `stream="downstream"` none of the server's.
    """

    timeout: float = 0

    streams = ("upstream", "downstream")
    needs_whole_response = True
    acts_on_sockets = True

    def __post_init__(self) -> None:
        self.require_number("timeout", at_least=0)

    async def apply(self, control: ExchangeControl, random: Random) -> RawResponse | None:
        """Pause, then close."""
        await control.pause(self.timeout or None)
        control.close()

    def shape_message(self, plan: MessagePlan, stream: Stream, random: Random) -> None:
        """Drop a message."""
        plan.is_dropped = plan.is_dropped or stream in ("upstream", plan.direction)

    def get_socket_end(self) -> SocketEnd | None:
        """Close an open WebSocket."""
        return SocketEnd(self.timeout, "closed") if self.timeout else None
