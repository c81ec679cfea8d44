"""Stop a run early on a worker that never posts READY: each further case would wait for it in vain."""

from __future__ import annotations

import pytest
from playwright.sync_api import Error as PlaywrightError

from e2e.conformance import selection
from e2e.conformance.case import InconclusiveError
from e2e.worker.driver.system import Telemetry
from e2e.worker.driver.tab import HandshakeError, Tab

STOPPED = "not exercised: an earlier case has found that this worker does not answer a tab. {reason}"

_reasons_key = pytest.StashKey[dict[str, str | None]]()
"""By the worker's name: why it does not answer, None for a worker that does."""


def require_handshake(item: pytest.Item) -> None:
    """Raise InconclusiveError if an earlier case has found that the item's worker does not answer."""
    target = selection.get_target(item)
    reason = item.config.stash.get(_reasons_key, {}).get(target.name) if target else None
    if reason is not None:
        raise InconclusiveError(STOPPED.format(reason=reason))


def probe_handshake(telemetry: Telemetry, config: pytest.Config) -> None:
    """Find out, after a case got no READY, whether the worker posts it where no case disturbs it.

    Workers that the command line does not name, such as mutants, are not probed: each of their cases counts.
    """
    reasons = config.stash.setdefault(_reasons_key, {})
    implementation = telemetry.implementation
    if implementation.name in reasons or implementation not in selection.get_targets(config):
        return
    telemetry.end_faults()
    page = telemetry.context.new_page()
    try:
        page.goto(telemetry.serve_below(""))
        tab = Tab(page, "probe", implementation, telemetry.script_path)
        tab.connect(f"{implementation.worker.name}-probe")
    except HandshakeError as error:
        reasons[implementation.name] = error.actual
    except PlaywrightError:  # The case has ended the browser: it says nothing about the worker.
        return
    else:
        reasons[implementation.name] = None
