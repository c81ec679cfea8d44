"""One tab of the chaos: a document with the reference client, from its loading to its end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from playwright.sync_api import Page

from e2e.chaos.page import (
    FLIP,
    LOG,
    LOG_AND_OPT_OUT,
    LOOK,
    OPT_IN,
    UNTIL_ACKNOWLEDGED,
    UNTIL_CONSENTS_HEARD,
    UNTIL_STATE,
)

PATIENCE_MS = 40_000
"""A client gives a worker that says nothing 5 s, then 10, then 20, of the tab's real time."""


class ChaosTab:
    """A loaded page with the client in it. `name` stands for this document alone: a reload makes another."""

    def __init__(self, page: Page, name: str) -> None:
        self.page = page
        self.name = name
        self.consents_heard = 0
        """How many changes of consent in other tabs it has been told of."""
        self.crashed = False
        page.on("crash", self._note_crash)

    def _note_crash(self, page: Page) -> None:
        self.crashed = True

    def log(self, keys: Sequence[str], padding: str = "") -> list[bool]:
        """Log events in one turn; tells which the client took."""
        taken: list[bool] = self.page.evaluate(LOG, [keys, padding])
        return taken

    def look(self) -> tuple[str, int]:
        """The client's state, and the highest seq that a worker has acknowledged (-1: none)."""
        seen: dict[str, Any] = self.page.evaluate(LOOK)
        return seen["state"], seen["acknowledged"]

    def wait_for_state(self, state: str) -> bool:
        """Wait until the client is in a state; False where it does not come to it."""
        held: bool = self.page.evaluate(UNTIL_STATE, [state, PATIENCE_MS])
        return held

    def wait_for_acknowledgement(self, seq: int) -> bool:
        """Wait until a worker has acknowledged all events up to this one; False where none does."""
        held: bool = self.page.evaluate(UNTIL_ACKNOWLEDGED, [seq, PATIENCE_MS])
        return held

    def wait_for_consents(self, count: int) -> bool:
        """Wait until the tab has heard of so many more changes of consent in other tabs."""
        self.consents_heard += count
        held: bool = self.page.evaluate(UNTIL_CONSENTS_HEARD, [self.consents_heard, PATIENCE_MS])
        return held

    def opt_in(self) -> None:
        """Give consent."""
        self.page.evaluate(OPT_IN)

    def log_and_opt_out(self, keys: Sequence[str]) -> list[bool]:
        """Log events and withdraw consent in the same turn; tells which the client took."""
        taken: list[bool] = self.page.evaluate(LOG_AND_OPT_OUT, keys)
        return taken

    def flip(
        self,
        before: Sequence[str],
        between: Sequence[str],
        after: Sequence[str],
        turns: int,
        spacing_ms: int,
    ) -> list[list[bool]]:
        """Withdraw and give consent `turns` times; log events before, at the first time off, and after."""
        taken: list[list[bool]] = self.page.evaluate(FLIP, [before, between, after, turns, spacing_ms])
        return taken
