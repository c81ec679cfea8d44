"""Slow close: end the connection late."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_sharedworker.gateway.toxics.base import Toxic
from pytest_sharedworker.gateway.transfer import Transfer


@dataclass(frozen=True)
class SlowClose(Toxic):
    """Keep the connection open for `delay` ms after the response, a WebSocket after either side's close."""

    delay: float

    acts_on_sockets = True

    def __post_init__(self) -> None:
        self.require_number("delay", at_least=0)

    def shape(self, transfer: Transfer) -> None:
        """Delay the end."""
        transfer.close_delay += self.delay

    def get_close_delay(self) -> float:
        """Delay the end of an open WebSocket."""
        return self.delay
