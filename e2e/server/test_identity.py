"""Records with an identity, the pair (tab_id, seq): the server stores each once, however often it arrives.

Not covered: records without an identity (the other files), and crashes (`test_durability.py`).
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

from e2e.conformance.accounting import Fate
from e2e.conformance.case import FindingError, Level, case
from e2e.server.driver.assertions import expect_each, expect_stored_as_sent, expect_success
from e2e.server.driver.system import Record, Server

BATCH_SIZE = 10
CONCURRENT_POSTERS = 8

INVALID_IDENTITIES: dict[str, dict[str, object]] = {
    "tab_id a number": {"tab_id": 5, "seq": 0},
    "tab_id a list": {"tab_id": ["a-tab"], "seq": 0},
    "tab_id empty": {"tab_id": "", "seq": 0},
    "tab_id of 65 characters": {"tab_id": "x" * 65, "seq": 0},
    "tab_id missing": {"seq": 0},
    "seq a string": {"tab_id": "a-tab", "seq": "0"},
    "seq a boolean": {"tab_id": "a-tab", "seq": False},
    "seq a fraction": {"tab_id": "a-tab", "seq": 0.5},
    "seq negative": {"tab_id": "a-tab", "seq": -1},
    "seq missing": {"tab_id": "a-tab"},
}
"""The error in an identity, which begins with the field → the fields that cause it."""

INVALID_COUNTS: tuple[object, ...] = (None, "3", 1.5, True, [3], {"a": 3}, -1, 10**30)


def new_identified_records(server: Server, tab_id: str, count: int, first: int = 0) -> list[Record]:
    """Return records of one tab, numbered from `first`."""
    return [server.new_record(tab_id=tab_id, seq=first + number) for number in range(count)]


@case(
    "server/identity/1/1",
    Level.SHOULD,
    "The server stores a record with an identity once, however often it arrives.",
    expected="a batch sent again, in part, with records twice, and at the same time: 0 duplicated, 0 lost",
    source="wire additions, identity: the worker sends a batch again if its response was lost",
)
def test_record_that_arrives_again_is_stored_once(server: Server) -> None:
    server.require_store()
    batch = new_identified_records(server, "tab-again", BATCH_SIZE)
    next_records = new_identified_records(server, "tab-again", 2, BATCH_SIZE)
    responses = {
        "first": server.post(*batch),
        "again": server.post(*batch),
        "in part": server.post(*batch[5:], next_records[0]),
        "records twice": server.post(next_records[1], *next_records),
    }
    concurrent = new_identified_records(server, "tab-at-once", BATCH_SIZE)
    with ThreadPoolExecutor(CONCURRENT_POSTERS) as workers:
        posting = [workers.submit(server.post, *concurrent) for _ in range(CONCURRENT_POSTERS)]
        responses |= {f"at once {number}": each.result() for number, each in enumerate(posting)}
    expect_each('200 {"status": "success"}', responses, lambda response: response.is_success)
    server.account()


@case(
    "server/identity/1/2",
    Level.SHOULD,
    "The server identifies a record by the pair (tab_id, seq), not by one of the two alone.",
    expected="equal seq values of several tabs, and records without an identity: all stored as sent",
    source="wire additions, identity: a pair (tab_id, seq); records without it are always stored",
)
def test_identity_is_the_pair_of_tab_id_and_seq(server: Server) -> None:
    server.require_store()
    sent = [
        *new_identified_records(server, "tab-one", 3),
        *new_identified_records(server, "tab-two", 3),
        *new_identified_records(server, "\U0001f600" * 64, 1),
        *new_identified_records(server, "TAB-ONE", 1),
        server.new_record(tab_id="tab-one", seq=2**31 - 1),
        *server.new_records(3),
    ]
    expect_success(server.post(*sent), "records of several tabs")
    expect_stored_as_sent(server, sent)
    server.account()


@case(
    "server/identity/1/3",
    Level.SHOULD,
    "The server rejects a record with an invalid identity, and no other record of the batch.",
    expected="only the valid records of the batch are stored, for each kind of invalid identity",
    source="wire additions, identity: both or neither; data safety",
)
def test_invalid_identity_rejects_only_its_record(server: Server) -> None:
    server.require_store()
    responses = {
        name: server.post(
            server.new_record(), server.new_record(Fate.FORBIDDEN, **changes), server.new_record()
        )
        for name, changes in INVALID_IDENTITIES.items()
    }
    expect_each('200 {"status": "success"}', responses, lambda response: response.is_success)
    server.account()


@case(
    "server/identity/1/4",
    Level.MAY,
    "The response says how many records the worker may delete, and how many of them are duplicates.",
    expected='"accepted": 3, then "accepted": 4 and "duplicates": 3; for an invalid identity its field',
    source="wire additions, response",
)
def test_response_counts_duplicates(server: Server) -> None:
    server.require_store()
    batch = new_identified_records(server, "tab-duplicates", 4)
    for records, expected in ((batch[:3], (3, None)), (batch, (4, 3))):
        response = server.post(*records)
        if (response.get_member("accepted"), response.get_member("duplicates")) != expected:
            raise FindingError(f"accepted, duplicates: {expected}", str(response))
    for name, changes in INVALID_IDENTITIES.items():
        response = server.post(server.new_record(Fate.FORBIDDEN, **changes))
        rejected = response.get_member("rejected")
        if not isinstance(rejected, list) or [each["field"] for each in rejected] != [name.split()[0]]:
            raise FindingError(f"rejected for {name}", str(response))
    server.account()


@case(
    "server/identity/1/5",
    Level.SHOULD,
    "The server does not take another event under a stored identity for a duplicate.",
    expected="stored, or listed in rejected; the same event of another session is a duplicate",
    source="data safety: whoever is first to use an identity must not suppress the event of somebody else",
)
def test_other_event_under_stored_identity_is_not_swallowed(server: Server) -> None:
    server.require_store()
    first = server.new_record(tab_id="tab-conflict", seq=0)
    expect_success(server.post(first), "the first record")
    other_session = {**first, "session_id": "the next worker's"}
    response = server.post(other_session)
    if response.get_member("rejected") or not response.is_success:
        raise FindingError("a record of the next worker's session is accepted as a duplicate", str(response))
    for changes in ({}, {"event_name": "another"}, {"timestamp_ns": 5}, {"installation_id": "another"}):
        other = server.new_record(Fate.OPTIONAL, **{"tab_id": "tab-conflict", "seq": 0, **changes})
        before = server.new_record()
        response = server.post(before, other)
        is_stored = other in server.get_stored_records()
        rejected = response.get_member("rejected")
        is_listed = isinstance(rejected, list) and [each.get("index") for each in rejected] == [1]
        if not response.is_success or not (is_stored or is_listed):
            raise FindingError("the other event is stored, or listed in rejected", str(response))
    server.account()


@case(
    "server/identity/2/1",
    Level.SHOULD,
    "The server accepts the records of a POST even if its loss report is invalid.",
    expected="session_id, dropped and filtered of correct and of wrong types: success, the record is stored",
    source="wire additions, losses: these three are ignored if their type is wrong",
)
def test_invalid_loss_report_never_rejects_records(server: Server) -> None:
    responses = {}
    for name in ("session_id", "dropped", "filtered"):
        for value in (*INVALID_COUNTS, 3, "a-session"):
            body = {"records": [server.new_record()], "session_id": "a-session", "dropped": 1, name: value}
            responses[f"{name} {value!r}"] = server.post_body(json.dumps(body).encode())
    expect_each('200 {"status": "success"}', responses, lambda response: response.is_success)
    server.account()
