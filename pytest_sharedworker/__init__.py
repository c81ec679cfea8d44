"""Test SharedWorkers with pytest and Playwright: inspect them, control time, inject network faults.

Every public name is exported here; what other modules define beyond these may change without notice.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_sharedworker.clock.base import Clock as Clock
    from pytest_sharedworker.clock.base import ClockKind as ClockKind
    from pytest_sharedworker.clock.base import Ticks as Ticks
    from pytest_sharedworker.clock.base import Timer as Timer
    from pytest_sharedworker.control.messages import ConsoleMessage as ConsoleMessage
    from pytest_sharedworker.control.messages import WorkerError as WorkerError
    from pytest_sharedworker.errors import AmbiguousWorkerError as AmbiguousWorkerError
    from pytest_sharedworker.errors import BrowserNotFoundError as BrowserNotFoundError
    from pytest_sharedworker.errors import ClockError as ClockError
    from pytest_sharedworker.errors import EvaluationError as EvaluationError
    from pytest_sharedworker.errors import GatewayError as GatewayError
    from pytest_sharedworker.errors import SharedWorkerError as SharedWorkerError
    from pytest_sharedworker.errors import ToxicError as ToxicError
    from pytest_sharedworker.errors import UnsupportedError as UnsupportedError
    from pytest_sharedworker.errors import UnusedFaultError as UnusedFaultError
    from pytest_sharedworker.errors import UnusedFaultWarning as UnusedFaultWarning
    from pytest_sharedworker.errors import WaitTimeoutError as WaitTimeoutError
    from pytest_sharedworker.errors import WorkerClosedError as WorkerClosedError
    from pytest_sharedworker.errors import WorkerNotFoundError as WorkerNotFoundError
    from pytest_sharedworker.gateway.exchange import Exchange as Exchange
    from pytest_sharedworker.gateway.exchange import Sender as Sender
    from pytest_sharedworker.gateway.exchange import SocketMessage as SocketMessage
    from pytest_sharedworker.gateway.exchange_control import ExchangeControl as ExchangeControl
    from pytest_sharedworker.gateway.expected_exchange import ExpectedExchange as ExpectedExchange
    from pytest_sharedworker.gateway.expected_exchange import ExpectedMessage as ExpectedMessage
    from pytest_sharedworker.gateway.gateway import Gateway as Gateway
    from pytest_sharedworker.gateway.journal import Journal as Journal
    from pytest_sharedworker.gateway.messages import RawResponse as RawResponse
    from pytest_sharedworker.gateway.messages import Request as Request
    from pytest_sharedworker.gateway.messages import Response as Response
    from pytest_sharedworker.gateway.origins.origin import GatewayOrigin as GatewayOrigin
    from pytest_sharedworker.gateway.patterns import Pattern as Pattern
    from pytest_sharedworker.gateway.patterns import URLMatch as URLMatch
    from pytest_sharedworker.gateway.route import AsyncRoute as AsyncRoute
    from pytest_sharedworker.gateway.route import Route as Route
    from pytest_sharedworker.gateway.router import RouteRule as RouteRule
    from pytest_sharedworker.gateway.toxics import AppliedToxic as AppliedToxic
    from pytest_sharedworker.gateway.toxics import Bandwidth as Bandwidth
    from pytest_sharedworker.gateway.toxics import Down as Down
    from pytest_sharedworker.gateway.toxics import DropResponse as DropResponse
    from pytest_sharedworker.gateway.toxics import HttpStatus as HttpStatus
    from pytest_sharedworker.gateway.toxics import Latency as Latency
    from pytest_sharedworker.gateway.toxics import LimitData as LimitData
    from pytest_sharedworker.gateway.toxics import MessagePlan as MessagePlan
    from pytest_sharedworker.gateway.toxics import ResetPeer as ResetPeer
    from pytest_sharedworker.gateway.toxics import Slicer as Slicer
    from pytest_sharedworker.gateway.toxics import SlowClose as SlowClose
    from pytest_sharedworker.gateway.toxics import SocketEnd as SocketEnd
    from pytest_sharedworker.gateway.toxics import Stream as Stream
    from pytest_sharedworker.gateway.toxics import Timeout as Timeout
    from pytest_sharedworker.gateway.toxics import Toxic as Toxic
    from pytest_sharedworker.gateway.transfer import Transfer as Transfer
    from pytest_sharedworker.gateway.unhandled import UnhandledRequestPolicy as UnhandledRequestPolicy
    from pytest_sharedworker.gateway.unhandled import UnhandledRequestWarning as UnhandledRequestWarning
    from pytest_sharedworker.gateway.web_socket_route import WebSocketRoute as WebSocketRoute
    from pytest_sharedworker.gateway.web_socket_route import WebSocketRule as WebSocketRule
    from pytest_sharedworker.workers.bulk import open_tabs as open_tabs
    from pytest_sharedworker.workers.bulk import spawn_workers as spawn_workers
    from pytest_sharedworker.workers.crash import crash as crash
    from pytest_sharedworker.workers.event_info import EventInfo as EventInfo
    from pytest_sharedworker.workers.persistent_browser import PersistentBrowser as PersistentBrowser
    from pytest_sharedworker.workers.shared_worker import SharedWorker as SharedWorker
    from pytest_sharedworker.workers.shared_workers import SharedWorkers as SharedWorkers

__all__ = [
    "AmbiguousWorkerError",
    "AppliedToxic",
    "AsyncRoute",
    "Bandwidth",
    "BrowserNotFoundError",
    "Clock",
    "ClockError",
    "ClockKind",
    "ConsoleMessage",
    "Down",
    "DropResponse",
    "EvaluationError",
    "EventInfo",
    "Exchange",
    "ExchangeControl",
    "ExpectedExchange",
    "ExpectedMessage",
    "Gateway",
    "GatewayError",
    "GatewayOrigin",
    "HttpStatus",
    "Journal",
    "Latency",
    "LimitData",
    "MessagePlan",
    "Pattern",
    "PersistentBrowser",
    "RawResponse",
    "Request",
    "ResetPeer",
    "Response",
    "Route",
    "RouteRule",
    "Sender",
    "SharedWorker",
    "SharedWorkerError",
    "SharedWorkers",
    "Slicer",
    "SlowClose",
    "SocketEnd",
    "SocketMessage",
    "Stream",
    "Ticks",
    "Timeout",
    "Timer",
    "Toxic",
    "ToxicError",
    "Transfer",
    "URLMatch",
    "UnhandledRequestPolicy",
    "UnhandledRequestWarning",
    "UnsupportedError",
    "UnusedFaultError",
    "UnusedFaultWarning",
    "WaitTimeoutError",
    "WebSocketRoute",
    "WebSocketRule",
    "WorkerClosedError",
    "WorkerError",
    "WorkerNotFoundError",
    "crash",
    "open_tabs",
    "spawn_workers",
]

_MODULES = (
    "clock.base",
    "control.messages",
    "errors",
    "gateway.exchange",
    "gateway.exchange_control",
    "gateway.expected_exchange",
    "gateway.gateway",
    "gateway.journal",
    "gateway.messages",
    "gateway.origins.origin",
    "gateway.patterns",
    "gateway.route",
    "gateway.router",
    "gateway.toxics",
    "gateway.transfer",
    "gateway.unhandled",
    "gateway.web_socket_route",
    "workers.bulk",
    "workers.crash",
    "workers.event_info",
    "workers.persistent_browser",
    "workers.shared_worker",
    "workers.shared_workers",
)
"""Where the public names are defined."""


def __getattr__(name: str) -> object:
    """Import a public name when it is first used: `browsers.discovery` runs before dependencies exist."""
    if name in __all__:
        for module in _MODULES:
            value = getattr(import_module(f"{__name__}.{module}"), name, None)
            if value is not None:
                return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
