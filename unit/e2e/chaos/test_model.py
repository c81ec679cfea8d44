"""The model of the chaos tests by itself: what it promises, and that it detects a broken promise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from e2e.chaos.model import (
    DISABLED,
    NO_CONFIGURATION,
    NOT_DURABLE,
    OUTBOX_DELETED,
    DeliveryModel,
    Verdict,
)


def make_model(*tabs: str, consent: bool = True) -> DeliveryModel:
    """Return a model in which each tab has logged three events, the tabs one second apart."""
    model = DeliveryModel()
    for at, tab in enumerate(tabs):
        model.log(tab, model.make_keys(tab, 3), [consent] * 3, at, consent=consent)
    return model


def records(*keys: str) -> list[dict[str, Any]]:
    return [
        {"params": {"componentViewId": key}, "tab_id": key.split("/")[0], "seq": int(key.split("/")[1])}
        for key in keys
    ]


def compare(model: DeliveryModel, *keys: str) -> Verdict:
    return model.compare(records(*keys))


ALL = ("a/0", "a/1", "a/2")


def test_events_stored_once_balance() -> None:
    verdict = compare(make_model("a"), *ALL)
    assert verdict.balanced
    assert verdict.accounting.ok == 3


def test_event_of_an_open_tab_must_be_stored_even_unacknowledged() -> None:
    assert compare(make_model("a"), "a/0", "a/1").accounting.lost == ("a/2",)


def test_unacknowledged_event_of_an_ended_tab_is_optional() -> None:
    for stored in (("a/0",), ALL):
        model = make_model("a")
        model.acknowledge("a", 0, at=1)
        model.end_tab("a")
        assert compare(model, *stored).balanced


def test_acknowledged_event_of_an_ended_tab_must_be_stored() -> None:
    model = make_model("a")
    model.acknowledge("a", 1, at=1)
    model.end_tab("a")
    assert compare(model, "a/0").accounting.lost == ("a/1",)


def test_event_stored_twice_is_duplicated() -> None:
    verdict = compare(make_model("a"), *ALL, "a/1")
    assert verdict.accounting.duplicated == ("a/1",)
    assert verdict.duplicate_identities == ("a/1",)


def test_event_without_consent_must_not_be_stored() -> None:
    assert compare(make_model("a", consent=False)).balanced
    assert compare(make_model("a", consent=False), "a/0").accounting.unexpected == ("a/0",)


def test_event_queued_at_an_opt_out_must_not_be_stored_later() -> None:
    def withdrawn(stored: Sequence[str] = (), in_requests: Sequence[str] = ()) -> DeliveryModel:
        model = make_model("a")
        model.withdraw_consent(stored, in_requests)
        return model

    assert compare(withdrawn()).balanced
    assert compare(withdrawn(), "a/0").accounting.unexpected == ("a/0",)
    assert compare(withdrawn(stored=["a/0"]), "a/0").balanced
    assert compare(withdrawn(stored=["a/0"])).accounting.lost == ("a/0",), "what was stored stays stored"
    assert compare(withdrawn(in_requests=["a/1"])).balanced
    assert compare(withdrawn(in_requests=["a/1"]), "a/1").balanced


def test_event_of_an_ended_tab_must_not_be_stored_after_an_opt_out() -> None:
    model = make_model("a")
    model.end_tab("a")
    model.withdraw_consent([], [])
    assert compare(model, "a/2").accounting.unexpected == ("a/2",)


def test_event_for_a_worker_without_configuration_is_optional() -> None:
    model = make_model("a", "b", "c")
    for at, tab in enumerate("abc"):
        model.acknowledge(tab, 2, at=at + 0.5)
    model.exempt_gap(0.8, 1.2, NO_CONFIGURATION, {"b"})
    verdict = model.compare(records(*ALL, "c/0", "c/1", "c/2"))
    assert verdict.balanced
    assert verdict.optional == {NO_CONFIGURATION: 3}


def test_gap_of_another_tabs_worker_exempts_nothing() -> None:
    model = make_model("a")
    model.exempt_gap(0, 9, NO_CONFIGURATION, {"b"})
    assert compare(model).accounting.lost == ALL


def test_event_acknowledged_as_durable_outlives_its_worker() -> None:
    model = make_model("a")
    model.acknowledge("a", 2, at=1)
    model.end_worker([])
    assert compare(model).accounting.lost == ALL


def test_event_acknowledged_as_not_durable_ends_with_its_worker() -> None:
    model = make_model("a")
    model.acknowledge("a", 2, at=1, durable_seq=0)
    assert compare(model).accounting.lost == ALL, "while the worker runs it is promised all the same"
    model.end_worker([])
    verdict = compare(model, "a/0")
    assert verdict.balanced
    assert verdict.optional == {NOT_DURABLE: 2}


def test_event_becomes_durable_with_a_later_acknowledgment() -> None:
    model = make_model("a")
    model.acknowledge("a", 1, at=1, durable_seq=-1)
    model.acknowledge("a", 2, at=2, durable_seq=2)
    model.end_worker([])
    assert compare(model).accounting.lost == ALL


def test_event_in_a_deleted_outbox_must_be_in_memory() -> None:
    model = make_model("a", "b")
    model.acknowledge("a", 2, at=1)
    model.acknowledge("b", 2, at=1)
    model.delete_outboxes([], lambda event: event.tab == "b")
    model.confirm_outboxes()
    model.end_worker([])
    verdict = compare(model)
    assert verdict.accounting.lost == ("b/0", "b/1", "b/2")
    assert verdict.optional == {OUTBOX_DELETED: 3}


def test_event_is_not_durable_until_the_outbox_is_written_again() -> None:
    model = make_model("a")
    model.acknowledge("a", 2, at=1)
    model.delete_outboxes([], lambda event: True)
    model.end_worker([])
    assert compare(model).balanced


def test_event_that_a_disabled_worker_drops_is_optional() -> None:
    model = make_model("a", "b")
    model.exempt_unstored(["a/0"], DISABLED, {"a"})
    assert compare(model).accounting.lost == ("a/0", "b/0", "b/1", "b/2")


def test_events_of_one_worker_out_of_order_are_detected() -> None:
    verdict = compare(make_model("a"), "a/1", "a/0", "a/2")
    assert verdict.out_of_order == ("a/1 before a/0",)
    assert not verdict.balanced


def test_events_of_different_workers_may_be_out_of_order() -> None:
    model = make_model("a")
    model.end_worker([])
    model.log("a", model.make_keys("a", 1), [True], 9, consent=True)
    assert compare(model, "a/3", "a/1", "a/0", "a/2").balanced


def test_last_unacknowledged_seq_excludes_acknowledged_events() -> None:
    model = make_model("a")
    assert model.get_last_unacknowledged_seq("a") == 2
    model.acknowledge("a", 2, at=1)
    assert model.get_last_unacknowledged_seq("a") == -1


def test_refused_events_have_no_seq() -> None:
    model = DeliveryModel()
    model.log("a", model.make_keys("a", 3), [True, False, True], 0, consent=True)
    assert [event.seq for event in model.events] == [0, None, 1]
