"""Expectations: wait for an exchange or a message that a block causes, as `page.expect_request` does."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, Literal, TypeVar

from pytest_sharedworker.gateway.exchange import Exchange, SocketMessage
from pytest_sharedworker.gateway.journal import DEFAULT_TIMEOUT, Journal
from pytest_sharedworker.gateway.patterns import Pattern, to_web_socket_url

T = TypeVar("T")
Self = TypeVar("Self", bound="_Expectation[Any]")


class _Expectation(ABC, Generic[T]):
    """A context manager that waits at its end for the first `value` since its beginning."""

    def __init__(self, journal: Journal, what: str, timeout: float) -> None:
        self._journal = journal
        self._what = what
        self._timeout = timeout
        self._begin()

    def _begin(self) -> None:
        self._deadline = time.monotonic() + self._timeout / 1000
        self._note_past()

    @abstractmethod
    def _note_past(self) -> None:
        """Note what is no value because it was there before."""

    @abstractmethod
    def _find(self) -> list[T]:
        """Return all values so far."""

    @property
    def value(self) -> T:
        """What was expected; waits for it. Raise WaitTimeoutError, which shows what was seen instead."""
        return self._journal.wait_until(self._find, 1, self._timeout, self._what, deadline=self._deadline)[0]

    def __enter__(self: Self) -> Self:
        self._begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            _ = self.value


class ExpectedExchange(_Expectation[Exchange]):
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
        self._pattern = pattern
        self._event = event
        super().__init__(journal, f"a {event} of {str(pattern)!r}", timeout)

    def _note_past(self) -> None:
        # By identity: exchanges are compared by value.
        self._past = {
            id(each): each for each in self._journal.exchanges if self._event == "request" or each.ended
        }

    def _find(self) -> list[Exchange]:
        return [
            each
            for each in self._journal.exchanges
            if id(each) not in self._past
            and (each.ended or self._event == "request")
            and self._pattern.matches(each.method, each.url)
        ]


class ExpectedMessage(_Expectation[SocketMessage]):
    """A context manager that waits at its end for the first message of WebSockets since its beginning.

    The WebSocket's URL matches the pattern; `predicate`, where given, returns true for the message, which is
    the `value`.
    """

    def __init__(
        self,
        journal: Journal,
        pattern: Pattern,
        predicate: Callable[[SocketMessage], object] | None,
        *,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        self._pattern = pattern
        self._predicate = predicate
        super().__init__(journal, f"a message on a WebSocket of {str(pattern)!r}", timeout)

    def _note_past(self) -> None:
        self._past = {id(each): len(each.messages) for each in self._journal.exchanges}

    def _find(self) -> list[SocketMessage]:
        return [
            message
            for each in self._journal.exchanges
            if self._pattern.matches(each.method, to_web_socket_url(each.url))
            for message in list(each.messages)[self._past.get(id(each), 0) :]
            if self._predicate is None or self._predicate(message)
        ]
