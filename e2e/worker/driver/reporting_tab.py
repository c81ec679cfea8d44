"""A tab that reports its visibility and shows by a Web Lock that it lives, like the reference's client."""

from __future__ import annotations

from e2e.worker.driver.system import Telemetry
from e2e.worker.driver.tab import Tab

_HOLD_LOCK = """(name) => new Promise((resolve) => {
    navigator.locks.request(name, () => { resolve(); return new Promise(() => {}); });
})"""


class ReportingTab:
    """A connected tab whose worker learns whether its page is visible, and when it has ended."""

    def __init__(self, telemetry: Telemetry, tab: Tab) -> None:
        self.tab = tab
        self._type = telemetry.implementation.protocol.visibility
        self._lock = f"lock-of-{tab.name}"
        tab.page.evaluate(_HOLD_LOCK, self._lock)
        self.report(hidden=False)

    def report(self, *, hidden: bool) -> None:
        """Tell the worker whether the page is hidden."""
        self.tab.post({"type": self._type, "hidden": hidden, "dropped": 0, "lock": self._lock})


def open_reporting_tab(telemetry: Telemetry, *, is_extended: bool = False) -> ReportingTab:
    """Open a tab, connect it, and let it report that it is visible.

    `is_extended`: it starts the worker with an extended lifetime.
    """
    tab = telemetry.open_tab(connect=False)
    tab.is_extended = is_extended
    tab.connect()
    return ReportingTab(telemetry, tab)
