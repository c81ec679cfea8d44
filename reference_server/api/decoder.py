"""Decompression and decoding of bodies, outside the event loop if it takes long.

The server must respond with the configuration without delay while large batches arrive. One thread decodes
one body at a time, so that memory for intermediate results is bounded too. A small body of valid records
takes less time than handing it to the thread.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from reference_server.api.request_body import decompress
from reference_server.errors import WireError
from reference_server.model.batch import Batch, decode_batch, decode_valid_batch

INLINE_BYTES = 64 * 1024
"""Bodies up to this size, compressed and decompressed, are decoded in the event loop if all records are
valid: about 200 records, in less than half a millisecond."""


class Decoder:
    """Decodes bodies to batches. `limit_bytes` is also the limit of a decompressed body."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batch-decoder")

    async def decode(self, body: bytes, encoding: str) -> tuple[Batch, int]:
        """Return the batch and the decompressed size of its body. Raise the WireErrors of a bad body."""
        if len(body) <= INLINE_BYTES:
            decoded = self._decode_inline(body, encoding)
            if decoded is not None:
                return decoded
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._decode, body, encoding)

    def close(self) -> None:
        """Stop the thread after the work that it has begun."""
        self._thread.shutdown(wait=True)

    def _decode_inline(self, body: bytes, encoding: str) -> tuple[Batch, int] | None:
        """Return None for a body that takes longer: a large one, or one with bad records."""
        try:
            decompressed = decompress(body, encoding, min(INLINE_BYTES, self._limit_bytes))
            batch = decode_valid_batch(decompressed)
        except WireError:
            return None
        return None if batch is None else (batch, len(decompressed))

    def _decode(self, body: bytes, encoding: str) -> tuple[Batch, int]:
        decompressed = decompress(body, encoding, self._limit_bytes)
        return decode_batch(decompressed), len(decompressed)
