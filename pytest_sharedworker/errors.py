"""Everything this plugin raises, as one tree.

SharedWorkerError
├── WorkerNotFoundError        no worker answers the description
├── AmbiguousWorkerError       more than one worker answers it
├── WorkerClosedError            the worker ended while it was needed
├── WaitTimeoutError           something awaited did not happen in time
├── EvaluationError       JavaScript threw inside the worker
├── ClockError            wrong use of a worker's clock, or a clock that cannot move
├── GatewayError          the gateway cannot start, or cannot do what was asked
│   └── ToxicError        unknown toxic, or attributes it does not have
└── UnsupportedError      this browser cannot do it
"""

from __future__ import annotations


class SharedWorkerError(Exception):
    """Base of all errors of this plugin; the text says what happened and what to do."""


class WorkerNotFoundError(SharedWorkerError):
    """No SharedWorker answers the description."""


class AmbiguousWorkerError(SharedWorkerError):
    """More than one SharedWorker answers the description."""


class WorkerClosedError(SharedWorkerError):
    """The SharedWorker ended while it was still needed."""


class WaitTimeoutError(SharedWorkerError, TimeoutError):
    """Something awaited did not happen in time."""


class EvaluationError(SharedWorkerError):
    """JavaScript threw inside the worker. `stack` is the stack as JavaScript tells it."""

    def __init__(self, message: str, stack: str = "") -> None:
        super().__init__(f"{message}\n{stack}".rstrip() if stack and stack != message else message)
        self.message = message
        self.stack = stack


class ClockError(SharedWorkerError):
    """Wrong use of a worker's clock, or a clock that cannot move."""


class GatewayError(SharedWorkerError):
    """The gateway cannot start, or cannot do what was asked of it."""


class ToxicError(GatewayError, ValueError):
    """An unknown toxic, or attributes that it does not have."""


class UnsupportedError(SharedWorkerError, NotImplementedError):
    """This browser has no way to do what was asked; the text says which browser does."""
