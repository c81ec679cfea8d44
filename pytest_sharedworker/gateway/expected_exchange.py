"""Expectations: wait for an exchange or a message that a block causes, as `page.expect_request` does."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Literal

from pytest_sharedworker.gateway.exchange import Exchange, SocketMessage
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


class ExpectedMessage:
    """A context manager that waits at its end for the first message of WebSockets since its beginning.

    The WebSocket's URL matches the pattern; `predicate`, where given, returns true for the message.
    """

    def __init__(
        self,
        journal: Journal,
        pattern: Pattern,
        predicate: Callable[[SocketMessage], object] | None,
        *,
        web_socket_url: str,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        self._web_socket_url = web_socket_url
        self._journal = journal
        self._pattern = pattern
        self._predicate = predicate
        self._timeout = timeout
        self._begin()

    def _begin(self) -> None:
        self._deadline = time.monotonic() + self._timeout / 1000
        self._past = {id(each): len(each.messages) for each in self._journal.exchanges}

    @property
    def value(self) -> SocketMessage:
        """The message; waits for it. Raise WaitTimeoutError, which shows what was seen instead."""

        def find() -> list[SocketMessage]:
            return [
                message
                for each in self._journal.exchanges
                if self._pattern.matches(each.method, self._web_socket_url + each.path)
                for message in list(each.messages)[self._past.get(id(each), 0) :]
                if self._predicate is None or self._predicate(message)
            ]

        what = f"a message on a WebSocket of {str(self._pattern)!r}"
        return self._journal.wait_until(find, 1, self._timeout, what, deadline=self._deadline)[0]

    def __enter__(self) -> ExpectedMessage:
        self._begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            _ = self.value
