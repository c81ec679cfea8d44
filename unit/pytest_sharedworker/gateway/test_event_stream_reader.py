"""The events in an event stream, as a browser dispatches them."""

from __future__ import annotations

import pytest

from pytest_sharedworker.gateway.event_stream import EventStreamReader

STREAMS = {
    "comment": (b": hello\n\n", []),
    "message": (b"data: 1\n\n", ["message"]),
    "two lines": (b"data: 1\ndata: 2\n\n", ["message"]),
    "named": (b"event: news\ndata: 1\n\ndata: 2\n\n", ["news", "message"]),
    "without data": (b"event: news\n\nid: 1\n\n", []),
    "empty data": (b"data\n\ndata:\n\n", ["message", "message"]),
    "incomplete": (b"data: 1\n", []),
    "carriage returns": (b"data: 1\r\rdata: 2\r\r:\r", ["message", "message"]),
    "both": (b"event:news\r\ndata:1\r\n\r\n", ["news"]),
    "byte order mark": (b"\xef\xbb\xbfdata: 1\n\n", ["message"]),
}


@pytest.mark.parametrize(("stream", "kinds"), STREAMS.values(), ids=STREAMS.keys())
@pytest.mark.parametrize("size", [1, 3, 100])
def test_events_are_found_whatever_the_pieces(stream: bytes, kinds: list[str], size: int) -> None:
    found: list[str] = []
    reader = EventStreamReader(found.append)
    for begin in range(0, len(stream), size):
        reader.read(stream[begin : begin + size])
    assert found == kinds
