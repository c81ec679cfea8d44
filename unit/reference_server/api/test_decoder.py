"""Decompression and decoding of bodies: never beyond the limit, and outside the event loop."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from reference_server.api.decoder import INLINE_BYTES, Decoder
from reference_server.api.request_body import IDENTITY, decompress
from reference_server.errors import WireError
from unit.support.samples import encode_body, make_record

LIMIT_BYTES = 4 * 1024 * 1024
LARGE = encode_body(*(make_record(n) for n in range(10_000)))


@pytest_asyncio.fixture
async def decoder() -> AsyncIterator[Decoder]:
    decoder = Decoder(LIMIT_BYTES)
    yield decoder
    decoder.close()


@pytest.mark.parametrize("body", [LARGE, gzip.compress(LARGE)], ids=["identity", "gzip"])
async def test_large_body_is_decoded_outside_the_event_loop(decoder: Decoder, body: bytes) -> None:
    encoding = IDENTITY if body is LARGE else "gzip"
    decoding = decoder.decode(body, encoding)
    pending = decoding.send(None)  # the first step only submits the work
    assert isinstance(pending, asyncio.Future)
    await asyncio.wait([pending])
    batch, size = pending.result()
    decoding.close()
    assert (len(batch.accepted), size) == (10_000, len(LARGE))


@pytest.mark.parametrize("encoding", [IDENTITY, "gzip"])
async def test_small_body_is_decoded_inline(decoder: Decoder, encoding: str) -> None:
    body = encode_body(make_record()).ljust(INLINE_BYTES)
    sent = body if encoding == IDENTITY else gzip.compress(body)
    with pytest.raises(StopIteration) as finished:
        decoder.decode(sent, encoding).send(None)  # the first step is the last
    batch, size = finished.value.value
    assert (len(batch.accepted), size) == (1, INLINE_BYTES)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (encode_body(*range(20_000))[:INLINE_BYTES].rpartition(b",")[0] + b"]}", IDENTITY),
        (gzip.compress(encode_body(make_record()).ljust(INLINE_BYTES + 1)), "gzip"),
        (b"not gzip", "gzip"),
    ],
    ids=["bad records", "large when decompressed", "unreadable"],
)
async def test_small_body_that_may_take_long_is_decoded_outside_the_event_loop(
    decoder: Decoder, body: bytes, encoding: str
) -> None:
    assert len(body) <= INLINE_BYTES
    decoding = decoder.decode(body, encoding)
    pending = decoding.send(None)
    assert isinstance(pending, asyncio.Future)
    await asyncio.wait([pending])
    pending.exception()
    decoding.close()


async def test_thread_raises_the_error_of_a_bad_body(decoder: Decoder) -> None:
    with pytest.raises(WireError, match="not JSON"):
        await decoder.decode(b"{" * LIMIT_BYTES, IDENTITY)


@pytest.mark.parametrize(("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
@pytest.mark.parametrize(("size", "fits"), [(1_000, True), (1_001, False), (10_000_000, False)])
def test_body_is_decompressed_only_up_to_the_limit(
    encoding: str, compress: Callable[[bytes], bytes], size: int, fits: bool
) -> None:
    compressed = compress(bytes(size))
    if fits:
        assert decompress(compressed, encoding, 1_000) == bytes(size)
        return
    with pytest.raises(WireError) as refused:
        decompress(compressed, encoding, 1_000)
    assert refused.value.status == 413
