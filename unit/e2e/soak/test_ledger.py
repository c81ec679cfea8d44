"""The balance of a ledger: lost, doubled and destroyed records are told apart."""

from e2e.soak.ledger import Balance, Batch, Ledger


def make_ledger(*acknowledged_at: float | None) -> Ledger:
    """Return a ledger with a batch of two records for each time; None was not acknowledged."""
    ledger = Ledger()
    for number, at in enumerate(acknowledged_at):
        batch = Batch([f"{number}/0", f"{number}/1"], b"", True)
        ledger.add(batch)
        ledger.record(batch, "503" if at is None else "200", at or 0.0, acknowledged=at is not None)
    return ledger


def test_everything_acknowledged_and_stored_is_balanced() -> None:
    ledger = make_ledger(1.0, 2.0, None)
    assert ledger.compare(["0/0", "0/1", "1/0", "1/1"]) == Balance(4, 0, 4, 0, 0)
    assert ledger.statuses == {"200": 2, "503": 1}


def test_acknowledged_and_missing_is_lost() -> None:
    assert make_ledger(1.0, 2.0).compare(["0/0", "1/0", "1/1"]) == Balance(4, 0, 3, 1, 0)


def test_stored_twice_is_doubled_even_if_not_acknowledged() -> None:
    assert make_ledger(1.0, None).compare(["0/0", "0/1", "1/0", "1/0", "1/0"]) == Balance(2, 0, 5, 0, 2)


def test_acknowledged_before_the_store_was_destroyed_is_not_lost() -> None:
    ledger = make_ledger(1.0, 2.0, 3.0)
    assert ledger.compare(["2/0"], destroyed_at=2.0) == Balance(2, 4, 1, 1, 0)
