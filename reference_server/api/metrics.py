"""The metrics for Prometheus at `/metrics`, in its text format. They contain nothing from any record."""

import logging
import math

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

from reference_server.api.admission import Admission
from reference_server.errors import StoreUnavailableError
from reference_server.model.batch import Batch
from reference_server.storage.store import Store

KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
OTHER_METHOD = "other"
"""The label of all other methods: a client must not be able to create labels."""

COMMIT_BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

METRICS: web.AppKey["Metrics"] = web.AppKey("metrics")

logger = logging.getLogger(__name__)


class Metrics:
    """The metrics of one server. Each server has its own registry: two servers in one program do not mix."""

    def __init__(self, store: Store, admission: Admission) -> None:
        self._store = store
        self._admission = admission
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "telemetry_requests", "Requests with a response.", ["method", "status"], registry=registry
        )
        self._accepted = Counter(
            "telemetry_records_accepted", "Accepted records, including duplicates.", registry=registry
        )
        self._duplicate = Counter(
            "telemetry_records_duplicate", "Accepted records that were already stored.", registry=registry
        )
        self._rejected = Counter(
            "telemetry_records_rejected", "Records rejected because of their content.", registry=registry
        )
        self._missing = Gauge(
            "telemetry_events_missing",
            "Events that are not stored, counted by the gaps in the numbers of each tab.",
            registry=registry,
        )
        self._dropped = Gauge(
            "telemetry_events_dropped", "Events that workers reported as lost.", registry=registry
        )
        self._filtered = Gauge(
            "telemetry_events_filtered",
            "Events that workers reported as filtered by disable_ui_events.",
            registry=registry,
        )
        self._queue_records = Gauge(
            "telemetry_queue_records", "Records that wait for their commit.", registry=registry
        )
        self._queue_bytes = Gauge(
            "telemetry_queue_bytes", "Received bytes of bodies that wait for their commit.", registry=registry
        )
        self._commit_seconds = Histogram(
            "telemetry_commit_seconds",
            "Duration of a transaction, from its begin until it is durable.",
            buckets=COMMIT_BUCKETS_SECONDS,
            registry=registry,
        )

    def count_response(self, method: str, status: int) -> None:
        """Count a response."""
        label = method if method in KNOWN_METHODS else OTHER_METHOD
        self._requests.labels(label, str(status)).inc()

    def count_batch(self, batch: Batch, *, duplicates: int) -> None:
        """Count the records of a request that succeeded."""
        self._accepted.inc(len(batch.accepted))
        self._duplicate.inc(duplicates)
        self._rejected.inc(batch.rejected_count)

    def observe_commit(self, seconds: float) -> None:
        """Observe the duration of a transaction; may be called from any thread."""
        self._commit_seconds.observe(seconds)

    async def render(self) -> bytes:
        """Return all metrics in the text format. Losses are NaN if the store cannot count them now."""
        missing = dropped = filtered = math.nan
        try:
            losses = await self._store.count_losses()
            missing, dropped, filtered = losses.missing, losses.dropped, losses.filtered
        except StoreUnavailableError as error:
            logger.warning("losses cannot be counted: %s", error)
        self._missing.set(missing)
        self._dropped.set(dropped)
        self._filtered.set(filtered)
        self._queue_records.set(self._admission.records)
        self._queue_bytes.set(self._admission.waiting_bytes)
        return generate_latest(self._registry)


@web.middleware
async def count_responses(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count every response. Requests that are not HTTP do not reach the middlewares."""
    try:
        response = await handler(request)
    except web.HTTPException as error:
        request.app[METRICS].count_response(request.method, error.status)
        raise
    request.app[METRICS].count_response(request.method, response.status)
    return response


async def get_metrics(request: web.Request) -> web.Response:
    """Respond with the metrics."""
    return web.Response(
        body=await request.app[METRICS].render(),
        headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4, "Cache-Control": "no-store"},
    )
