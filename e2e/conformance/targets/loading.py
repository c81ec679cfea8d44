"""What an option of the command line names, worker or server alike: loaded, and each known by one name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import pytest

from e2e.conformance.targets.toml_reader import ImplementationError

TWO_OF_ONE_NAME = "{option}: two of them are named {name!r}; give each once, under its own name"


class Named(Protocol):
    """Anything with a name."""

    @property
    def name(self) -> str:
        """What the report calls it."""


System = TypeVar("System", bound=Named)


def load_chosen(option: str, specs: Sequence[str], load: Callable[[str], System]) -> list[System]:
    """Load what an option names, in that order. Raises pytest.UsageError, which begins with the option."""
    try:
        loaded = [load(spec) for spec in specs]
    except ImplementationError as error:
        raise pytest.UsageError(f"{option}: {error}") from None
    names = [system.name for system in loaded]
    for name in names:
        if names.count(name) > 1:
            raise pytest.UsageError(TWO_OF_ONE_NAME.format(option=option, name=name))
    return loaded
