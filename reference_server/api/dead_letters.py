"""What the handlers reject goes to the store as dead letters. Nothing reads them back over HTTP."""

import logging

from reference_server.errors import StoreUnavailableError, WireError
from reference_server.model.batch import Batch
from reference_server.storage.dead_letters import DeadLetter
from reference_server.storage.store import Store

logger = logging.getLogger(__name__)


async def keep_rejected_records(store: Store, batch: Batch) -> None:
    """Keep the rejected records of a batch. Raise StoreUnavailableError: the client then sends the batch
    again."""
    if not batch.rejected_count:
        return
    letters = [
        DeadLetter(bytes(content), rejected.reason, rejected.field)
        for content, rejected in zip(batch.rejected_contents, batch.rejected, strict=True)
    ]
    await store.add_dead_letters(letters, batch.rejected_count)


async def keep_refused_body(store: Store, body: bytes, error: WireError) -> None:
    """Keep a body that was refused as a whole. A failure is logged only: the client will not send it
    again."""
    try:
        await store.add_dead_letters([DeadLetter(body, f"{error.code}: {error.message}", error.field)], 0)
    except StoreUnavailableError as unavailable:
        logger.warning("a refused body was not kept: %s", unavailable)
