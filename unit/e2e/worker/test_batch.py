"""Check that a batch is read from its POST, with and without a content coding."""

from __future__ import annotations

import gzip
import json
from datetime import datetime, timezone

import pytest
from multidict import CIMultiDict

from e2e.conformance.case import FindingError
from e2e.worker.driver.assertions import group_by_tab
from e2e.worker.driver.batch import Batch, read_batch, read_batches
from pytest_sharedworker import Exchange

BODY = json.dumps(
    {
        "records": [
            {"session_id": "a", "params": {"componentViewId": "tab-1/0"}},
            {"session_id": "b", "params": {"componentViewId": "tab-2/0"}},
        ],
        "session_id": "a",
        "dropped": 3,
    }
).encode()


def exchange(body: bytes, **headers: str) -> Exchange:
    names = CIMultiDict({name.replace("_", "-"): value for name, value in headers.items()})
    return Exchange(
        1, "POST", "http://x/", "/", names, body, "worker", None, None, None, datetime.now(timezone.utc), 0.0
    )


@pytest.mark.parametrize(
    "post",
    [
        exchange(BODY),
        exchange(BODY, Content_Encoding="identity"),
        exchange(gzip.compress(BODY), Content_Encoding="GZIP"),
    ],
    ids=["plain", "identity", "gzip"],
)
def test_batch_has_the_records_of_its_post(post: Exchange) -> None:
    batch = read_batch(post)
    assert batch.keys == ["tab-1/0", "tab-2/0"]
    assert batch.session_ids == {"a", "b"}
    assert not batch.ended


@pytest.mark.parametrize(
    "post",
    [
        exchange(b"<html>"),
        exchange(b"[]"),
        exchange(b'{"records": {}}'),
        exchange(b'{"records": [1]}'),
        exchange(gzip.compress(BODY)[:-9], Content_Encoding="gzip"),
    ],
    ids=["no JSON", "no object", "no list", "no record", "half a gzip"],
)
def test_post_without_a_list_of_records_is_a_finding(post: Exchange) -> None:
    with pytest.raises(FindingError, match="records"):
        read_batch(post)


def test_post_is_no_batch_before_its_body_has_come() -> None:
    post = exchange(b"")
    known: dict[int, Batch] = {}
    assert read_batches([post], known) == []
    post.request_body, post.received_seconds = BODY, 1.0
    [batch] = read_batches([post], known)
    assert (len(batch.records), batch.ended) == (2, False)
    post.ended_seconds = 2.0
    [batch] = read_batches([post], known)
    assert batch.ended
    assert read_batches([post], known) == [batch]


def test_group_by_tab_reads_sequence_numbers_from_keys() -> None:
    assert group_by_tab(["tab-1/1", "tab-2/0", "tab-1/0", "no tab"]) == {"tab-1": [1, 0], "tab-2": [0]}
