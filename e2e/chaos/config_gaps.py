"""Times in which a worker may drop what it gets: without a configuration, or with a disabled one.

A worker keeps its configuration when a later request for it fails, and a new one begins with that of an
earlier worker. So there is a gap only where the profile has never read one, or has lost what it had read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from pytest_sharedworker.gateway.exchange import Exchange

Span = tuple[float, float]
"""Begin and end, in seconds on the journal's clock."""

MARGIN_SECONDS = 2.0
"""Real time that may pass between the end of an exchange and what the worker does with the response."""

REQUEST_TIMEOUT_SECONDS = 60
"""Of the worker's time: the worker no longer waits for a configuration that is as late as this."""


def config_gaps(
    requests: Iterable[Exchange],
    consents: Sequence[Span] = (),
    *,
    was_remembered: Callable[[float], bool] = lambda at: False,
    ended: float = math.inf,
) -> Iterator[Span]:
    """Yield each time span in which a worker may have no configuration, from its requests for it.

    A worker begins a new session where consent is given again: `consents` are the spans in which that
    happened. `was_remembered` tells for a time whether an earlier configuration was on disk. The worker ended
    at `ended`.
    """
    since: float | None = None
    is_configured = False
    last_request = -math.inf
    for exchange in requests:
        started = exchange.started_seconds
        if any(begin <= started and last_request <= end for begin, end in consents):
            is_configured = False
        last_request = started
        if delivers_config(exchange) and exchange.ended_seconds is not None:
            is_configured = True
            if since is not None:
                yield since, exchange.ended_seconds + MARGIN_SECONDS
                since = None
        elif not is_configured and since is None and not was_remembered(started):
            since = started
    if since is not None:
        yield since, ended


def offline_gap(requests: Iterable[Exchange], since: float, *, ended: float = math.inf) -> Span:
    """Return the time span in which a session has no configuration that began in an offline worker.

    The requests of such a worker do not reach the journal. The gap ends with the next one that succeeds.
    """
    for exchange in requests:
        if (
            exchange.started_seconds >= since
            and exchange.ended_seconds is not None
            and delivers_config(exchange)
        ):
            return since, exchange.ended_seconds + MARGIN_SECONDS
    return since, ended


def disabled_gaps(
    requests: Iterable[Exchange], was_disabled: Callable[[Exchange], bool], *, ended: float = math.inf
) -> Iterator[Span]:
    """Yield each time span in which a worker knows that telemetry is disabled, from all of its requests.

    `was_disabled` tells of a request whether the server had disabled telemetry then.
    """
    since: float | None = None
    for exchange in requests:
        if was_disabled(exchange) and says_disabled(exchange):
            since = exchange.started_seconds if since is None else since
        elif since is not None and exchange.method == "GET" and delivers_config(exchange):
            assert exchange.ended_seconds is not None
            yield since, exchange.ended_seconds + MARGIN_SECONDS
            since = None
    if since is not None:
        yield since, ended


def has_config(requests: Sequence[Exchange]) -> bool:
    """Return whether the last request for the configuration has succeeded."""
    return bool(requests) and requests[-1].ended and delivers_config(requests[-1])


def delivers_config(exchange: Exchange) -> bool:
    """Return whether a complete configuration that enables telemetry reached the worker in time."""
    return (
        exchange.status == 200
        and exchange.cut is None
        and exchange.upstream_status == 200
        and exchange.response_body == exchange.upstream_response_body
        and exchange.paused_seconds < REQUEST_TIMEOUT_SECONDS
        and _parse(exchange.response_body).get("disable_ui_telemetry") is False
    )


def says_disabled(exchange: Exchange) -> bool:
    """Return whether the server responded that telemetry is disabled."""
    body = _parse(exchange.upstream_response_body)
    return body.get("disable_ui_telemetry") is True or body.get("status") == "disabled"


def _parse(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
