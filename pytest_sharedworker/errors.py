"""Everything that this plugin raises, as one tree.

SharedWorkerError
├── WorkerNotFoundError   no worker matches the description
├── AmbiguousWorkerError  more than one worker matches it
├── WorkerClosedError     the worker ended while the test needed it
├── WaitTimeoutError      an awaited event did not happen in time
├── EvaluationError       JavaScript threw an exception inside the worker
├── ClockError            wrong use of a worker's clock, or a clock that cannot move
├── BrowserNotFoundError  the browser is not installed on this machine
├── UnusedFaultError      with --strict-toxics: a toxic or route matched no request
├── GatewayError          the gateway cannot start, or cannot do what the test requests
│   └── ToxicError        a toxic with invalid attributes
└── UnsupportedError      the browser, or this kind of clock, cannot do it
"""

from __future__ import annotations

from pytest_sharedworker.terminal_text import escape_text


class SharedWorkerError(Exception):
    """Base of all errors of this plugin; the text says what happened and what to do."""

    def __str__(self) -> str:
        # A terminal shows it, and it may quote the app.
        return escape_text(super().__str__())


class WorkerNotFoundError(SharedWorkerError):
    """No SharedWorker matches the description."""


class AmbiguousWorkerError(SharedWorkerError):
    """More than one SharedWorker matches the description."""


class WorkerClosedError(SharedWorkerError):
    """The SharedWorker ended while the test still needed it."""


class WaitTimeoutError(SharedWorkerError, TimeoutError):
    """An awaited event did not happen in time."""


class EvaluationError(SharedWorkerError):
    """JavaScript threw an exception inside the worker; `message` and `stack` are JavaScript's."""

    def __init__(self, message: str, stack: str = "") -> None:
        # Chromium's stacks begin with the message.
        super().__init__((stack if stack.startswith(message) else f"{message}\n{stack}").rstrip())
        self.message = message
        self.stack = stack


class ClockError(SharedWorkerError):
    """Wrong use of a worker's clock, or a clock that cannot move."""


class BrowserNotFoundError(SharedWorkerError):
    """The browser is not installed on this machine; the text names the command that installs it."""


class UnusedFaultError(SharedWorkerError):
    """A toxic or route matched no request of a test that ran with --strict-toxics."""


class GatewayError(SharedWorkerError):
    """The gateway cannot start, or cannot do what the test requests."""


class ToxicError(GatewayError, ValueError):
    """A toxic with invalid attributes."""


class UnsupportedError(SharedWorkerError, NotImplementedError):
    """The browser, or this kind of clock, cannot do it; the text says which one can."""


class UnusedFaultWarning(UserWarning):
    """A toxic or route matched no request of a test that passed."""
