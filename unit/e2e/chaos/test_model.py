"""The model of the chaos by itself: what the books promise, and that they notice what breaks a promise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from e2e.chaos.model import DeliveryModel, Verdict


def books_with(*tabs: str, consent: bool = True) -> DeliveryModel:
    """Books in which each of the tabs has logged three events, one second after the other."""
    books = DeliveryModel()
    for at, tab in enumerate(tabs):
        books.log(tab, books.next_keys(tab, 3), [consent] * 3, at, consent=consent)
    return books


def records(*keys: str) -> list[dict[str, Any]]:
    return [
        {"params": {"componentViewId": key}, "tab_id": key.split("/")[0], "seq": int(key.split("/")[1])}
        for key in keys
    ]


def close(books: DeliveryModel, *keys: str) -> Verdict:
    return books.close(records(*keys))


ALL = ("a/0", "a/1", "a/2")


def test_all_stored_once_balances() -> None:
    verdict = close(books_with("a"), *ALL)
    assert verdict.balanced
    assert verdict.accounting.ok == 3


def test_event_of_a_living_tab_has_to_be_stored_even_unacknowledged() -> None:
    assert close(books_with("a"), "a/0", "a/1").accounting.lost == ("a/2",)


def test_unacknowledged_event_of_a_dead_tab_is_either() -> None:
    for stored in (("a/0",), ALL):
        books = books_with("a")
        books.acknowledge("a", 0, at=1)
        books.tab_died("a")
        assert close(books, *stored).balanced


def test_acknowledged_event_of_a_dead_tab_has_to_be_stored() -> None:
    books = books_with("a")
    books.acknowledge("a", 1, at=1)
    books.tab_died("a")
    assert close(books, "a/0").accounting.lost == ("a/1",)


def test_event_stored_twice_is_duplicated_and_a_twin() -> None:
    verdict = close(books_with("a"), *ALL, "a/1")
    assert verdict.accounting.duplicated == ("a/1",)
    assert verdict.twins == ("a/1",)


def test_event_without_consent_must_not_be_stored() -> None:
    assert close(books_with("a", consent=False)).balanced
    assert close(books_with("a", consent=False), "a/0").accounting.unexpected == ("a/0",)


def test_event_queued_at_an_opt_out_must_not_be_stored_afterwards() -> None:
    def withdrawn(stored: Sequence[str] = (), on_the_wire: Sequence[str] = ()) -> DeliveryModel:
        books = books_with("a")
        books.consent_withdrawn(stored, on_the_wire)
        return books

    assert close(withdrawn()).balanced
    assert close(withdrawn(), "a/0").accounting.unexpected == ("a/0",)
    assert close(withdrawn(stored=["a/0"]), "a/0").balanced
    assert close(withdrawn(stored=["a/0"])).accounting.lost == ("a/0",), "what was stored stays stored"
    assert close(withdrawn(on_the_wire=["a/1"])).balanced
    assert close(withdrawn(on_the_wire=["a/1"]), "a/1").balanced


def test_event_of_a_dead_tab_does_not_survive_an_opt_out() -> None:
    books = books_with("a")
    books.tab_died("a")
    books.consent_withdrawn([], [])
    assert close(books, "a/2").accounting.unexpected == ("a/2",)


def test_event_told_to_a_blind_worker_is_either() -> None:
    books = books_with("a", "b", "c")
    for at, tab in enumerate("abc"):
        books.acknowledge(tab, 2, at=at + 0.5)
    books.exempt_config_gap(0.8, 1.2)
    assert books.close(records(*ALL, "c/0", "c/1", "c/2")).balanced


def test_disorder_within_the_life_of_a_worker_is_noticed() -> None:
    verdict = close(books_with("a"), "a/1", "a/0", "a/2")
    assert verdict.disordered == ("a/1 before a/0",)
    assert not verdict.balanced


def test_order_across_the_end_of_a_worker_is_free() -> None:
    books = books_with("a")
    books.worker_ends([])
    books.log("a", books.next_keys("a", 1), [True], 9, consent=True)
    assert close(books, "a/3", "a/1", "a/0", "a/2").balanced


def test_awaited_is_what_nobody_has_acknowledged() -> None:
    books = books_with("a")
    assert books.awaited("a") == 2
    books.acknowledge("a", 2, at=1)
    assert books.awaited("a") == -1


def test_refused_events_take_no_seq() -> None:
    books = DeliveryModel()
    books.log("a", books.next_keys("a", 3), [True, False, True], 0, consent=True)
    assert [event.seq for event in books.events] == [0, None, 1]
