"""Drop response: lose the response behind a server that has processed the request."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from pytest_sharedworker.gateway.exchange_control import ExchangeControl
from pytest_sharedworker.gateway.messages import RawResponse
from pytest_sharedworker.gateway.toxics.base import Toxic


@dataclass(frozen=True)
class DropResponse(Toxic):
    """Let the server process the request, then reset the connection before the response."""

    needs_whole_response = True

    async def apply(self, control: ExchangeControl, random: Random) -> RawResponse | None:
        """Reset."""
        control.reset()
