"""The accounting: each event comes to one end, and what nobody knows is not said to be well."""

from __future__ import annotations

import pytest

from e2e.conformance.accounting import Event, Fate, account, get_event_key

LOGGED = [
    Event("tab-1/0", "tab-1", 0),
    Event("tab-1/1", "tab-1", 1, Fate.DROPPED),
    Event("tab-1/2", "tab-1", 2, Fate.OPTIONAL),
]


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        (["tab-1/0"], "1 ok, 1 dropped as they had to be, 0 lost, 0 duplicated, 0 unexpected"),
        (
            ["tab-1/0", "tab-1/2"],
            "1 ok, 1 recovered, 1 dropped as they had to be, 0 lost, 0 duplicated, 0 unexpected",
        ),
    ],
)
def test_books_that_balance(stored: list[str], said: str) -> None:
    accounting = account(LOGGED, stored)
    assert accounting.balanced
    assert str(accounting) == said


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        ([], "1 lost (tab-1/0)"),
        (["tab-1/0", "tab-1/0"], "1 duplicated (tab-1/0)"),
        (["tab-1/2", "tab-1/0", "tab-1/2"], "1 duplicated (tab-1/2)"),
        (["tab-1/0", "tab-1/1"], "1 unexpected (tab-1/1)"),
        (["tab-1/0", "of nobody"], "1 unexpected (of nobody)"),
    ],
)
def test_books_that_do_not(stored: list[str], said: str) -> None:
    accounting = account(LOGGED, stored)
    assert not accounting.balanced
    assert said in str(accounting)


def test_a_store_that_was_not_read_leaves_every_event_unknown() -> None:
    accounting = account(LOGGED, None)
    assert not accounting.balanced
    assert str(accounting) == "3 unknown: the store could not be read"


def test_an_event_is_known_by_its_params_else_by_its_name() -> None:
    assert get_event_key({"event_name": "ui_event", "params": {"componentViewId": "tab-1/0"}}) == "tab-1/0"
    assert get_event_key({"event_name": "tab-1/3", "params": None}) == "tab-1/3"
    assert get_event_key({"event_name": "ui_event"}) == "{'event_name': 'ui_event'}"
