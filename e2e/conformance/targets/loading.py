"""Load what an option of the command line names, workers and servers alike; each has its own name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import pytest

from e2e.conformance.targets.toml_file import ImplementationError

TWO_OF_ONE_NAME = "{option}: two of them are named {name!r}; give each once, under its own name"


class Named(Protocol):
    """Anything with a name."""

    @property
    def name(self) -> str:
        """Name in the report."""


Target = TypeVar("Target", bound=Named)


def load_targets(option: str, specs: Sequence[str], load: Callable[[str], Target]) -> list[Target]:
    """Load what an option names, in that order. Raise pytest.UsageError, which begins with the option."""
    try:
        loaded = [load(spec) for spec in specs]
    except ImplementationError as error:
        raise pytest.UsageError(f"{option}: {error}") from None
    names = [target.name for target in loaded]
    for name in names:
        if names.count(name) > 1:
            raise pytest.UsageError(TWO_OF_ONE_NAME.format(option=option, name=name))
    return loaded
