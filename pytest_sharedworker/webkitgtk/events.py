"""Event listeners with Playwright's methods."""

from __future__ import annotations

from typing import Any


class Listeners:
    """The listeners of one object. Events that WebDriver does not report never come."""

    def __init__(self) -> None:
        self._listeners: list[tuple[str, Any, bool]] = []

    def on(self, event: Any, f: Any) -> None:
        """Call `f` for each event of this name."""
        self._listeners.append((event, f, False))

    def once(self, event: Any, f: Any) -> None:
        """Call `f` for the next event of this name."""
        self._listeners.append((event, f, True))

    def remove_listener(self, event: Any, f: Any) -> None:
        """Stop calling `f`."""
        # Playwright compares listeners by equality, too: a method is a new object at each access.
        self._listeners = [each for each in self._listeners if (each[0], each[1]) != (event, f)]

    def _emit(self, event: str, value: object) -> None:
        due = [each for each in self._listeners if each[0] == event]
        self._listeners = [each for each in self._listeners if not (each in due and each[2])]
        for _, listener, _ in due:
            listener(value)
