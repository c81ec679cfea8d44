"""Records that carry an identity, the pair of tab_id and seq: stored once, however often they come.

Records without one stand in the other files: each of them is stored. Crashes are in
`test_server_durability.py`.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

from e2e.conformance.accounting import Fate
from e2e.conformance.case import FindingError, Level, case
from e2e.server.driver.assertions import expect_each, expect_stored_as_sent, expect_success
from e2e.server.driver.system import Record, Server

BATCH_SIZE = 10
WORKERS_AT_ONCE = 8

BAD_IDENTITIES: dict[str, dict[str, object]] = {
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
"""What is wrong with an identity, its field first → the fields that make it so."""

WRONG_COUNTS: tuple[object, ...] = (None, "3", 1.5, True, [3], {"a": 3}, -1, 10**30)


def identified(server: Server, tab_id: str, count: int, first: int = 0) -> list[Record]:
    """Records of one tab, numbered on from `first`."""
    return [server.new_record(tab_id=tab_id, seq=first + number) for number in range(count)]


@case(
    "server/identity/1/1",
    Level.SHOULD,
    "A record with an identity is stored once, however often it comes.",
    expected="a batch sent again, in part, twice in itself and by several at once: 0 duplicated, 0 lost",
    source="wire additions, record: a batch whose answer was lost is sent again",
)
def test_a_record_that_comes_again_is_stored_once(server: Server) -> None:
    server.require_store()
    batch = identified(server, "tab-again", BATCH_SIZE)
    more = identified(server, "tab-again", 2, BATCH_SIZE)
    responses = {
        "at first": server.post(*batch),
        "again": server.post(*batch),
        "in part": server.post(*batch[5:], more[0]),
        "twice in itself": server.post(more[1], *more),
    }
    at_once = identified(server, "tab-at-once", BATCH_SIZE)
    with ThreadPoolExecutor(WORKERS_AT_ONCE) as workers:
        posting = [workers.submit(server.post, *at_once) for _ in range(WORKERS_AT_ONCE)]
        responses |= {f"at once {number}": each.result() for number, each in enumerate(posting)}
    expect_each('200 {"status": "success"}', responses, lambda response: response.is_success)
    server.account()


@case(
    "server/identity/1/2",
    Level.SHOULD,
    "The identity is the pair: neither the tab nor the number alone makes two records one.",
    expected="the same numbers of several tabs, and records without identity: all stored as they were sent",
    source="wire additions, record: a pair (tab_id, seq); records without it are stored as they come",
)
def test_the_identity_is_the_pair(server: Server) -> None:
    server.require_store()
    sent = [
        *identified(server, "tab-one", 3),
        *identified(server, "tab-two", 3),
        *identified(server, "\U0001f600" * 64, 1),
        *identified(server, "TAB-ONE", 1),
        server.new_record(tab_id="tab-one", seq=2**53 - 1),
        *server.new_records(3),
    ]
    expect_success(server.post(*sent), "records of several tabs")
    expect_stored_as_sent(server, sent)
    server.account()


@case(
    "server/identity/1/3",
    Level.SHOULD,
    "An identity of a wrong shape costs its own record and no other one.",
    expected="only the good records beside it stored, for every kind of bad identity",
    source="wire additions, record: both or neither; data safety",
)
def test_a_bad_identity_costs_its_own_record(server: Server) -> None:
    server.require_store()
    responses = {
        name: server.post(
            server.new_record(), server.new_record(Fate.DROPPED, **changes), server.new_record()
        )
        for name, changes in BAD_IDENTITIES.items()
    }
    expect_each('200 {"status": "success"}', responses, lambda response: response.is_success)
    server.account()


@case(
    "server/identity/1/4",
    Level.MAY,
    "The answer says how many records may be forgotten, and how many of them were there already.",
    expected='"accepted": 3, then "accepted": 4 and "duplicates": 3; for a bad identity its field',
    source="wire additions, answer",
)
def test_the_answer_tells_of_duplicates(server: Server) -> None:
    server.require_store()
    batch = identified(server, "tab-told", 4)
    for records, expected in ((batch[:3], (3, None)), (batch, (4, 3))):
        response = server.post(*records)
        if (response.get_member("accepted"), response.get_member("duplicates")) != expected:
            raise FindingError(f"accepted, duplicates: {expected}", str(response))
    for name, changes in BAD_IDENTITIES.items():
        response = server.post(server.new_record(Fate.DROPPED, **changes))
        rejected = response.get_member("rejected")
        if not isinstance(rejected, list) or [each["field"] for each in rejected] != [name.split()[0]]:
            raise FindingError(f"rejected for {name}", str(response))
    server.account()


@case(
    "server/identity/2/1",
    Level.SHOULD,
    "What a session reports of its losses is never a reason to refuse its records.",
    expected="session_id, dropped and filtered of right and of wrong types: success, the record stored",
    source="wire additions, POST: wrong types of these three are ignored",
)
def test_what_a_session_reports_never_costs_a_record(server: Server) -> None:
    responses = {}
    for name in ("session_id", "dropped", "filtered"):
        for value in (*WRONG_COUNTS, 3, "a-session"):
            body = {"records": [server.new_record()], "session_id": "a-session", "dropped": 1, name: value}
            responses[f"{name} {value!r}"] = server.post_body(json.dumps(body).encode())
    expect_each('200 {"status": "success"}', responses, lambda response: response.is_success)
    server.account()
