"""Wake coroutines that wait for a change."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class StateNotifier:
    """Wakes the coroutines, in the loop's thread, that wait for a change of the workers of one test."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def notify(self) -> None:
        """Check all conditions again."""
        self._event.set()

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Return as soon as `condition` holds."""
        while not condition():
            self._event.clear()
            await self._event.wait()
