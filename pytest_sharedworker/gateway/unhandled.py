"""Requests that neither a route nor served content handles: what happens to them."""

from __future__ import annotations

import warnings
from typing import Literal, get_args

from pytest_sharedworker.errors import GatewayError
from pytest_sharedworker.gateway.exchange import Exchange
from pytest_sharedworker.gateway.handlers import HandlerRunner
from pytest_sharedworker.gateway.messages import RawResponse

UnhandledRequestPolicy = Literal["error", "warn", "bypass"]

_REFUSED_STATUS = 500
_IGNORED = ("/favicon.ico",)
"""Browsers request it by themselves."""


class UnhandledRequestWarning(UserWarning):
    """A request that neither a route nor served content handled was sent to the server."""


class UnhandledRequests:
    """Applies the policy: "error" refuses, "warn" warns and forwards, "bypass" forwards."""

    def __init__(self, runner: HandlerRunner) -> None:
        self._policy: UnhandledRequestPolicy = "bypass"
        self._runner = runner
        self._unhandled: list[str] = []

    @property
    def policy(self) -> UnhandledRequestPolicy:
        """The policy in force."""
        return self._policy

    @policy.setter
    def policy(self, policy: UnhandledRequestPolicy) -> None:
        if policy not in get_args(UnhandledRequestPolicy):
            known = ", ".join(map(repr, get_args(UnhandledRequestPolicy)))
            raise GatewayError(f"on_unhandled_request is one of {known}, not {policy!r}")
        self._policy = policy

    def refuse(self, exchange: Exchange) -> RawResponse | None:
        """Return the response that refuses a request; None where it goes to the server."""
        if self._policy == "bypass" or exchange.path.partition("?")[0] in _IGNORED:
            return None
        text = f"no route and no served content handles {exchange.request_text} (sender: {exchange.sender})"
        if self._policy == "warn":
            self._unhandled.append(text)
            return None
        exchange.route = "unhandled"
        self._runner.keep_error(GatewayError(f"{text} (on_unhandled_request is 'error')"))
        return RawResponse.plain(_REFUSED_STATUS, f"pytest-sharedworker: {text}")

    def warn(self) -> None:
        """Issue the warnings that are due, in the thread of the test: pytest collects them there."""
        unhandled, self._unhandled = self._unhandled, []
        for text in unhandled:
            warnings.warn(text, UnhandledRequestWarning, stacklevel=2)
