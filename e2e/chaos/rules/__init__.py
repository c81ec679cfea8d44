"""The rules: what may happen to a system, when, with which values, and how often.

Each module holds the rules of one kind. The state machine of hypothesis and the random steps of a timed run
both draw from `RULES`. Whether a rule applies depends on earlier steps alone, not on how the browser reacted:
so a seed replays the same steps.
"""

from e2e.chaos.rules import (
    consent,
    events,
    outages,
    passing_time,
    request_faults,
    server_faults,
    site_data,
    tabs,
)
from e2e.chaos.rules.preconditions import MAX_TABS
from e2e.chaos.rules.rule import Rule

_KINDS = (tabs, events, request_faults, outages, server_faults, site_data, consent, passing_time)

RULES = [rule for kind in _KINDS for rule in vars(kind).values() if isinstance(rule, Rule)]

__all__ = ["MAX_TABS", "RULES", "Rule"]
