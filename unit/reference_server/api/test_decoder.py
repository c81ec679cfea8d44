"""Unpacking and taking apart of bodies: to the limit and no further, and away from the event loop."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from reference_server.api.decoder import INLINE_BYTES, Decoder
from reference_server.api.request_body import IDENTITY, unpack
from reference_server.errors import WireError
from unit.support.samples import body_of, record

LIMIT_BYTES = 4 * 1024 * 1024
LARGE = body_of(*(record(n) for n in range(10_000)))


@pytest_asyncio.fixture
async def decoder() -> AsyncIterator[Decoder]:
    decoder = Decoder(LIMIT_BYTES)
    yield decoder
    decoder.close()


@pytest.mark.parametrize("body", [LARGE, gzip.compress(LARGE)], ids=["as it is", "packed"])
async def test_a_large_body_does_not_hold_up_the_event_loop(decoder: Decoder, body: bytes) -> None:
    encoding = IDENTITY if body is LARGE else "gzip"
    decoding = decoder.decode(body, encoding)
    waited_for = decoding.send(None)  # its first step only hands the work over
    assert isinstance(waited_for, asyncio.Future)
    await asyncio.wait([waited_for])
    batch, size = waited_for.result()
    decoding.close()
    assert (len(batch.accepted), size) == (10_000, len(LARGE))


async def test_a_small_body_is_taken_apart_at_once(decoder: Decoder) -> None:
    body = body_of(record()).ljust(INLINE_BYTES)
    with pytest.raises(StopIteration) as finished:
        decoder.decode(body, IDENTITY).send(None)  # its first step is its last
    batch, size = finished.value.value
    assert (len(batch.accepted), size) == (1, INLINE_BYTES)


async def test_what_is_wrong_with_a_body_comes_back_from_the_thread(decoder: Decoder) -> None:
    with pytest.raises(WireError, match="not JSON"):
        await decoder.decode(b"{" * LIMIT_BYTES, IDENTITY)


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
@pytest.mark.parametrize(("size", "fits"), [(1_000, True), (1_001, False), (10_000_000, False)])
def test_a_body_is_unpacked_to_the_limit_and_not_a_byte_further(
    encoding: str, pack: Callable[[bytes], bytes], size: int, fits: bool
) -> None:
    packed = pack(bytes(size))
    if fits:
        assert unpack(packed, encoding, 1_000) == bytes(size)
        return
    with pytest.raises(WireError) as refused:
        unpack(packed, encoding, 1_000)
    assert refused.value.status == 413
