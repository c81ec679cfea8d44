"""The capabilities of each browser, as data.

To add a browser, add an entry to `CAPABILITIES`. docs/browsers.md holds the measurements behind each value.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType


@dataclass(frozen=True)
class Capabilities:
    """The capabilities of one browser; `name` is that of Playwright's browser type."""

    name: str
    has_devtools: bool
    """DevTools reach SharedWorkers: evaluate, console, heap, coverage, terminate."""
    has_devtools_clock: bool
    """DevTools control the time of a worker whose script is unchanged."""
    can_crash_pages: bool
    """A test can crash a page's renderer."""
    can_end_workers: bool
    """A worker ends by `self.close()` while tabs are connected, and the next tab starts another one."""
    keeps_workers: bool
    """A worker lives as long as any tab is connected to it, also when the tab that started it closes."""
    keeps_connect_order: bool
    """A worker reads what a tab has posted on one port before the `connect` of a port that it opens then."""
    max_workers: int | None
    """How many workers of a context the plugin reaches, each by a WebSocket; None: no known limit."""


CAPABILITIES = MappingProxyType(
    {
        each.name: each
        for each in (
            Capabilities(
                "chromium",
                has_devtools=True,
                has_devtools_clock=True,
                can_crash_pages=True,
                can_end_workers=True,
                keeps_workers=True,
                keeps_connect_order=True,
                max_workers=None,
            ),
            Capabilities(
                "firefox",
                has_devtools=False,
                has_devtools_clock=False,
                can_crash_pages=False,
                can_end_workers=True,
                keeps_workers=True,
                keeps_connect_order=True,
                max_workers=None,
            ),
            Capabilities(
                "webkit",
                has_devtools=False,
                has_devtools_clock=False,
                can_crash_pages=False,
                can_end_workers=False,
                keeps_workers=False,
                keeps_connect_order=False,
                max_workers=150,
            ),
        )
    }
)


def get_capabilities(browser_name: str) -> Capabilities:
    """Return the capabilities of a browser; those of an unknown browser are the fewest."""
    return CAPABILITIES.get(browser_name, replace(CAPABILITIES["webkit"], name=browser_name))


def list_browsers_with(capability: str) -> list[str]:
    """Return the names of the browsers that have a capability (a field of Capabilities)."""
    return [name for name, each in CAPABILITIES.items() if getattr(each, capability)]
