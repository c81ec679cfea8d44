"""Expectations: wait for an exchange that a block of the test causes, as `page.expect_request` does."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Literal

from pytest_sharedworker.gateway.exchange import Exchange
from pytest_sharedworker.gateway.journal import DEFAULT_TIMEOUT, Journal
from pytest_sharedworker.gateway.patterns import Pattern


class ExpectedExchange:
    """A context manager that waits at its end for the first exchange of a pattern since its beginning.

    With `event="request"` the exchange begins, with `"response"` it ends inside. `value` is the exchange.
    """

    def __init__(
        self,
        journal: Journal,
        pattern: Pattern,
        event: Literal["request", "response"],
        *,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        self._journal = journal
        self._pattern = pattern
        self._event = event
        self._timeout = timeout
        self._begin()

    def _begin(self) -> None:
        self._deadline = time.monotonic() + self._timeout / 1000
        past = self._journal.exchanges
        # By identity: exchanges are compared by value.
        self._past = {id(each): each for each in past if self._event == "request" or each.ended}

    @property
    def value(self) -> Exchange:
        """The exchange; waits for it. Raise WaitTimeoutError, which shows what was seen instead."""

        def find() -> list[Exchange]:
            return [
                each
                for each in self._journal.exchanges
                if id(each) not in self._past
                and (each.ended or self._event == "request")
                and self._pattern.matches(each.method, each.url)
            ]

        what = f"a {self._event} of {str(self._pattern)!r}"
        return self._journal.wait_until(find, 1, self._timeout, what, deadline=self._deadline)[0]

    def __enter__(self) -> ExpectedExchange:
        self._begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            _ = self.value
