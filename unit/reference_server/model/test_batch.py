"""What a body carries beside its records: what a session reports, which is never an error."""

import json

import pytest

from reference_server.model.batch import MAX_COUNT, MAX_REJECTED_LISTED, SessionReport, decode_batch
from unit.support.samples import body_of, record


def report_of(**values: object) -> SessionReport | None:
    return decode_batch(json.dumps({"records": [], **values}).encode()).report


def test_a_report_names_its_session_and_two_counts() -> None:
    assert report_of(session_id="s", dropped=3, filtered=4) == SessionReport("s", 3, 4)
    assert report_of(session_id="s", dropped=MAX_COUNT) == SessionReport("s", MAX_COUNT, 0)
    assert report_of(session_id="s", filtered=1) == SessionReport("s", 0, 1)


def test_a_report_of_nothing_is_none() -> None:
    assert report_of() is None
    assert report_of(session_id="s") is None
    assert report_of(session_id="s", dropped=0, filtered=0) is None


@pytest.mark.parametrize("value", [None, "3", 1.5, True, [3], {"a": 3}, -1, MAX_COUNT + 1, 10**100, "\ud83d"])
def test_a_count_of_a_wrong_type_is_as_good_as_none(value: object) -> None:
    assert report_of(session_id="s", dropped=value, filtered=2) == SessionReport("s", 0, 2)


@pytest.mark.parametrize("value", [None, 5, True, ["s"], "\ud83d"])
def test_a_report_without_the_name_of_its_session_is_none(value: object) -> None:
    assert report_of(session_id=value, dropped=2) is None


def test_a_report_is_read_also_where_a_record_is_cut_inside_an_emoji() -> None:
    body = json.dumps({"records": [record(event_name="\ud83d")], "session_id": "s", "dropped": 2}).encode()
    batch = decode_batch(body)
    assert (len(batch.rejected), batch.report) == (1, SessionReport("s", 2, 0))


def test_rejections_are_counted_beyond_those_that_are_kept() -> None:
    batch = decode_batch(body_of(*[0] * (MAX_REJECTED_LISTED + 5), record()))
    assert (len(batch.accepted), len(batch.rejected)) == (1, MAX_REJECTED_LISTED)
    assert batch.rejected_count == MAX_REJECTED_LISTED + 5
