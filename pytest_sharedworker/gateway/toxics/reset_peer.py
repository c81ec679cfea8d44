"""Reset peer: reset the connection (TCP RST)."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from pytest_sharedworker.gateway.exchange_control import ExchangeControl
from pytest_sharedworker.gateway.messages import RawResponse
from pytest_sharedworker.gateway.toxics.base import SocketEnd, Toxic


@dataclass(frozen=True)
class ResetPeer(Toxic):
    """Reset the connection after `timeout` ms.

    The server sees no request, or with `stream="downstream"` sees it and its response is lost. Open
    WebSockets are reset, too.
    """

    timeout: float = 0

    streams = ("upstream", "downstream")
    needs_whole_response = True
    acts_on_sockets = True

    def __post_init__(self) -> None:
        self.require_number("timeout", at_least=0)

    async def apply(self, control: ExchangeControl, random: Random) -> RawResponse | None:
        """Pause, then reset."""
        if self.timeout:
            await control.pause(self.timeout)
        control.reset()

    def get_socket_end(self) -> SocketEnd:
        """Reset an open WebSocket."""
        return SocketEnd(self.timeout, "reset")
