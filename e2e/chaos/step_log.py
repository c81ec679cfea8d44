"""The log of what happened to a system, for the text of a failure."""

from __future__ import annotations

from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.workers.shared_workers import SharedWorkers


class BrokenPromiseError(AssertionError):
    """The system broke a promise of the model. The text holds the step log and the journal's tail."""


class StepLog:
    """A sentence for each step, in order."""

    def __init__(self, gateway: Gateway, workers: SharedWorkers) -> None:
        self.sentences: list[str] = []
        self._gateway = gateway
        self._workers = workers

    def add(self, sentence: str) -> None:
        """Add a sentence."""
        self.sentences.append(sentence)

    def make_error(self, problem: str) -> BrokenPromiseError:
        """Return an error for the caller to raise: the problem, and all that led to it."""
        steps = "\n".join(f"{number:4}. {sentence}" for number, sentence in enumerate(self.sentences, 1))
        return BrokenPromiseError(
            f"{problem}\n\nSteps:\n{steps}\n\n{self._gateway.journal.tail()}\n{self._workers._manager.explain()}"
        )
