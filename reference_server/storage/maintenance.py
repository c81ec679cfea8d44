"""A thread that repeats a piece of work: at once while there is more to do, else after a pause."""

import logging
from collections.abc import Callable
from threading import Event, Thread

from reference_server.storage.retention import Retention

MAX_PAUSE_SECONDS = 60.0
MIN_PAUSE_SECONDS = 1.0

logger = logging.getLogger(__name__)


def get_pause_seconds(retention: Retention) -> float:
    """Return how often to look for records to delete: a store can exceed a size within seconds."""
    if retention.max_bytes is not None:
        return MIN_PAUSE_SECONDS
    if retention.max_age_seconds is not None:
        return min(MAX_PAUSE_SECONDS, max(MIN_PAUSE_SECONDS, retention.max_age_seconds / 100))
    return MAX_PAUSE_SECONDS


class Maintenance:
    """Repeats `step` in a thread. `step` returns whether there is more to do; an error is logged, and tried
    again."""

    def __init__(self, step: Callable[[], bool], pause_seconds: float) -> None:
        self._step = step
        self._pause_seconds = pause_seconds
        self._stopped = Event()
        self._thread: Thread | None = None
        self._logged = ""

    def start(self) -> None:
        """Start the thread, which begins with the work."""
        self._stopped.clear()
        self._thread = Thread(target=self._run, name="store-maintenance", daemon=True)
        self._thread.start()

    def request_stop(self) -> None:
        """Begin no further step."""
        self._stopped.set()

    def join(self) -> None:
        """Wait for the end of the current step. Does nothing if the thread does not run."""
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            if not self._run_step():
                self._stopped.wait(self._pause_seconds)

    def _run_step(self) -> bool:
        try:
            has_more = self._step()
            self._logged = ""
            return has_more
        except Exception as error:
            if not self._stopped.is_set() and str(error) != self._logged:
                logger.warning("old records could not be deleted: %s", error)
                self._logged = str(error)
            return False
