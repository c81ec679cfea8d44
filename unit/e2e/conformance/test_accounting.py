"""The accounting: each event has one outcome, and an unknown outcome is not ok."""

from __future__ import annotations

import pytest

from e2e.conformance.accounting import Event, Fate, account, get_event_key

LOGGED = [
    Event("tab-1/0", "tab-1", 0),
    Event("tab-1/1", "tab-1", 1, Fate.FORBIDDEN),
    Event("tab-1/2", "tab-1", 2, Fate.OPTIONAL),
]


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        (["tab-1/0"], "1 ok, 1 dropped as required, 0 lost, 0 duplicated, 0 unexpected"),
        (
            ["tab-1/0", "tab-1/2"],
            "1 ok, 1 recovered, 1 dropped as required, 0 lost, 0 duplicated, 0 unexpected",
        ),
    ],
)
def test_accounting_balances(stored: list[str], text: str) -> None:
    accounting = account(LOGGED, stored)
    assert accounting.balanced
    assert str(accounting) == text


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        ([], "1 lost (tab-1/0)"),
        (["tab-1/0", "tab-1/0"], "1 duplicated (tab-1/0)"),
        (["tab-1/2", "tab-1/0", "tab-1/2"], "1 duplicated (tab-1/2)"),
        (["tab-1/0", "tab-1/1"], "1 unexpected (tab-1/1)"),
        (["tab-1/0", "unknown"], "1 unexpected (unknown)"),
    ],
)
def test_accounting_does_not_balance(stored: list[str], text: str) -> None:
    accounting = account(LOGGED, stored)
    assert not accounting.balanced
    assert text in str(accounting)


def test_unread_store_makes_every_event_unknown() -> None:
    accounting = account(LOGGED, None)
    assert not accounting.balanced
    assert str(accounting) == "3 unknown: the store could not be read"


def test_event_key_is_in_the_params_or_the_name() -> None:
    assert get_event_key({"event_name": "ui_event", "params": {"componentViewId": "tab-1/0"}}) == "tab-1/0"
    assert get_event_key({"event_name": "tab-1/3", "params": None}) == "tab-1/3"
    assert get_event_key({"event_name": "ui_event"}) == "{'event_name': 'ui_event'}"
