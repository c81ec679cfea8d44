"""Limit data: cut the response off."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_sharedworker.gateway.toxics.base import Toxic
from pytest_sharedworker.gateway.transfer import Transfer


@dataclass(frozen=True)
class LimitData(Toxic):
    """Send `bytes` bytes of the response's body, then reset the connection."""

    bytes: int

    needs_whole_response = True

    def __post_init__(self) -> None:
        self.require_number("bytes", at_least=0, whole=True)

    def shape(self, transfer: Transfer) -> None:
        """Limit the body."""
        transfer.limit = self.bytes if transfer.limit is None else min(transfer.limit, self.bytes)
