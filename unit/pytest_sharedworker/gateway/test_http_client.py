"""When the body of a server's response is known to be complete."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest
from multidict import CIMultiDict

from pytest_sharedworker.gateway.http_client import Head, ServerResponse


@pytest.mark.parametrize(
    ("headers", "sent", "ends"),
    [
        pytest.param({"Content-Length": "3"}, b"abc", [False, True], id="length"),
        pytest.param({"Content-Length": "0"}, b"", [True], id="empty"),
        pytest.param(
            {"Transfer-Encoding": "chunked"}, b"3\r\nabc\r\n0\r\n\r\n", [False, False, True], id="chunked"
        ),
        pytest.param({}, b"abc", [False, False], id="end of the connection"),
    ],
)
def test_body_is_at_its_end_once_nothing_can_follow(
    headers: dict[str, str], sent: bytes, ends: list[bool]
) -> None:
    assert asyncio.run(read_ends(headers, sent, reads=len(ends) - 1)) == ends


async def read_ends(headers: dict[str, str], sent: bytes, reads: int) -> list[bool]:
    """Return whether a body is at its end before and after each of its pieces is read."""
    reader = asyncio.StreamReader()
    reader.feed_data(sent)
    head = Head(200, "OK", CIMultiDict(headers))
    response = ServerResponse(head, "GET", reader, cast("asyncio.StreamWriter", None))
    ends = [response.is_at_end]
    for _ in range(reads):
        await response.read_piece()
        ends.append(response.is_at_end)
    return ends
