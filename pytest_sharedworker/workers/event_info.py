"""What a block `with ….expect_…() as info` gives: the value that the block waited for."""

from __future__ import annotations

from typing import Generic, TypeVar

from pytest_sharedworker.errors import SharedWorkerError

T = TypeVar("T")


class EventInfo(Generic[T]):
    """The result of an `expect_…` block; `value` exists once the block has ended."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._value: T | None = None

    @property
    def value(self) -> T:
        """The awaited value. Raise SharedWorkerError inside the block, which is too early."""
        if self._value is None:
            raise SharedWorkerError(f"the {self._what} is known at the end of the `with` block only")
        return self._value

    def is_done(self) -> bool:
        """Return whether the value is known."""
        return self._value is not None

    def _set(self, value: T | None) -> None:
        """Set the value (for the worker or the workers that made the block)."""
        self._value = value
