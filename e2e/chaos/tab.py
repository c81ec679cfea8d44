"""One tab of a chaos test: a document with the reference client, from its loading to its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Page

from e2e.chaos.page import (
    FLIP_CONSENT,
    LOG,
    LOG_AND_OPT_OUT,
    MODULES,
    OPT_IN,
    READ_CONSENT,
    READ_STATE,
    WAIT_FOR_ACKNOWLEDGMENT,
    WAIT_FOR_MARKER,
    WAIT_FOR_STATE,
    WRITE_MARKER,
    Build,
)

TIMEOUT_MS = 40_000
"""A client waits for a silent worker 5 s, then 10, then 20, of the tab's real time."""


@dataclass(frozen=True)
class TabState:
    """The client's state, the highest seq that a worker has acknowledged (-1: none), and as durable.

    `connections` counts the connections to a worker since the tab opened.
    """

    state: str
    acknowledged: int
    durable: int
    connections: int


class ChaosTab:
    """A loaded page with the client in it. `name` belongs to this document: a reload makes another tab."""

    def __init__(self, page: Page, name: str, build: Build = MODULES) -> None:
        self.page = page
        self.name = name
        self.build = build
        self.connections = 0
        """Number of connections to a worker as of the last look."""
        self.crashed = False
        page.on("crash", self._note_crash)

    def _note_crash(self, page: Page) -> None:
        self.crashed = True

    def log(self, keys: Sequence[str], padding: str = "") -> list[bool]:
        """Log events in one task, and return for each whether the client accepted it."""
        accepted: list[bool] = self.page.evaluate(LOG, [keys, padding])
        return accepted

    def read_state(self) -> TabState:
        """Return what the client and its workers have told."""
        values: dict[str, Any] = self.page.evaluate(READ_STATE)
        return TabState(**values)

    def read_consent(self) -> str | None:
        """Return the stored consent; None where there is none."""
        consent: str | None = self.page.evaluate(READ_CONSENT)
        return consent

    def wait_for_state(self, states: Sequence[str]) -> bool:
        """Wait until the client is in one of these states. Return False after the timeout."""
        return self._wait(WAIT_FOR_STATE, states)

    def wait_for_acknowledgment(self, seq: int) -> bool:
        """Wait until a worker has acknowledged all events up to this one. Return False after the timeout."""
        return self._wait(WAIT_FOR_ACKNOWLEDGMENT, seq)

    def write_marker(self, number: int) -> None:
        """Write a number to localStorage, larger than the last one."""
        self.page.evaluate(WRITE_MARKER, number)

    def wait_for_marker(self, number: int) -> bool:
        """Wait until the tab has received all that another one wrote before this number.

        Return False after the timeout.
        """
        return self._wait(WAIT_FOR_MARKER, number)

    def opt_in(self) -> None:
        """Give consent."""
        self.page.evaluate(OPT_IN)

    def log_and_opt_out(self, keys: Sequence[str]) -> list[bool]:
        """Log events and withdraw consent in the same task; return which ones the client accepted."""
        accepted: list[bool] = self.page.evaluate(LOG_AND_OPT_OUT, keys)
        return accepted

    def flip_consent(
        self,
        before: Sequence[str],
        between: Sequence[str],
        after: Sequence[str],
        turns: int,
        spacing_ms: int,
    ) -> list[list[bool]]:
        """Withdraw and give consent `turns` times; log events before, while it is first off, and after."""
        accepted: list[list[bool]] = self.page.evaluate(
            FLIP_CONSENT, [before, between, after, turns, spacing_ms]
        )
        return accepted

    def _wait(self, expression: str, value: object) -> bool:
        held: bool = self.page.evaluate(expression, [value, TIMEOUT_MS])
        return held
