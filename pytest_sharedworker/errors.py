"""Everything this plugin raises, as one tree.

SharedWorkerError
├── WorkerNotFound        no worker answers the description
├── AmbiguousWorker       more than one worker answers it
├── WorkerGone            the worker ended while it was needed
├── WaitTimeout           something awaited did not happen in time
├── EvaluationError       JavaScript threw inside the worker
├── ClockError            wrong use of a worker's clock, or a clock that cannot move
├── GatewayError          the gateway cannot start, or cannot do what was asked
│   └── ToxicError        unknown toxic, or attributes it does not have
└── Unsupported           this browser cannot do it
"""

from __future__ import annotations


class SharedWorkerError(Exception):
    """Base of all errors of this plugin; the text says what happened and what to do."""


class WorkerNotFound(SharedWorkerError):
    """No SharedWorker answers the description."""


class AmbiguousWorker(SharedWorkerError):
    """More than one SharedWorker answers the description."""


class WorkerGone(SharedWorkerError):
    """The SharedWorker ended while it was still needed."""


class WaitTimeout(SharedWorkerError, TimeoutError):
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


class Unsupported(SharedWorkerError, NotImplementedError):
    """This browser has no way to do what was asked; the text says which browser does."""
