"""Unpacking and taking apart of bodies, away from the event loop where it takes long.

A configuration has to be told at once also while large batches come in. One thread does this work, one body
at a time, so that what it needs in between is bounded too.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from reference_server.api.request_body import IDENTITY, unpack
from reference_server.model.batch import Batch, decode_batch

INLINE_BYTES = 16 * 1024
"""A body up to here is taken apart at once: it takes less time than the way to the thread and back."""


class Decoder:
    """Turns bodies into batches. `limit_bytes` holds for a body that is unpacked as well."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batch-decoder")

    async def decode(self, body: bytes, encoding: str) -> tuple[Batch, int]:
        """Give the batch, and how many bytes its body has when unpacked. Raises WireError as its parts do."""
        if encoding == IDENTITY and len(body) <= INLINE_BYTES:
            return decode_batch(body), len(body)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._decode, body, encoding)

    def close(self) -> None:
        """End the thread, after what it has begun."""
        self._thread.shutdown(wait=True)

    def _decode(self, body: bytes, encoding: str) -> tuple[Batch, int]:
        unpacked = unpack(body, encoding, self._limit_bytes)
        return decode_batch(unpacked), len(unpacked)
