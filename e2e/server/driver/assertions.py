"""What a batch that was taken has to have come to."""

from __future__ import annotations

import json

from e2e.conformance.case import FindingError
from e2e.server.driver.http_client import Response
from e2e.server.driver.system import Record, Server


def expect_success(answer: Response, what: str) -> None:
    """Raise a FindingError where a batch was not taken."""
    if not answer.succeeded:
        raise FindingError(f'200 {{"status": "success"}} for {what}', str(answer))


def expect_stored_as_sent(server: Server, sent: list[Record]) -> None:
    """Raise a FindingError that shows the first stored record that differs from what was sent."""
    stored = server.stored()
    for before, after in zip(sent, stored, strict=False):
        if before != after:
            raise FindingError(json.dumps(before)[:1_000], json.dumps(after)[:1_000])
    if len(stored) != len(sent):
        raise FindingError(f"{len(sent)} records stored", f"{len(stored)}")
