"""Bandwidth: send the response slowly."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_sharedworker.gateway.toxics.base import Toxic
from pytest_sharedworker.gateway.transfer import Transfer

_LOWEST_RATE = 0.001


@dataclass(frozen=True)
class Bandwidth(Toxic):
    """Send the response's body at `rate` KiB a second."""

    rate: float

    def __post_init__(self) -> None:
        self.require_number("rate", at_least=_LOWEST_RATE)

    def shape(self, transfer: Transfer) -> None:
        """Delay each byte."""
        transfer.byte_delay = max(transfer.byte_delay, 1000 / (self.rate * 1024))
