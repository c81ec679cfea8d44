"""A client that posts to a server without pause, in a thread, and records how it went."""

import time
from collections import Counter
from threading import Event, Thread
from types import TracebackType

from unit.support.command import Command
from unit.support.samples import make_record

BATCH_RECORDS = 5


class Load:
    """Posts batches of one tab while the context lasts; the numbers of the events begin at 0."""

    def __init__(self, command: Command, tab_id: str = "load") -> None:
        self._command = command
        self._tab_id = tab_id
        self._stopped = Event()
        self._thread = Thread(target=self._post_all, daemon=True)
        self.statuses: Counter[int] = Counter()
        self.slowest_seconds = 0.0
        self.accepted = 0

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopped.set()
        self._thread.join()

    def _post_all(self) -> None:
        while not self._stopped.is_set():
            seqs = range(self.accepted, self.accepted + BATCH_RECORDS)
            began = time.perf_counter()
            status = self._command.post(*(make_record(seq, tab_id=self._tab_id, seq=seq) for seq in seqs))
            self.slowest_seconds = max(self.slowest_seconds, time.perf_counter() - began)
            self.statuses[status] += 1
            if status == 200:
                self.accepted += BATCH_RECORDS
