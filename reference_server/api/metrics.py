"""What the server tells Prometheus at `/metrics`, in its text format. No record's content is among it."""

import logging
import math

from aiohttp import web
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client import generate_latest as text_of

from reference_server.api.admission import Admission
from reference_server.errors import Handler, StoreUnavailableError
from reference_server.model.batch import Batch
from reference_server.storage.store import Store

KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
OTHER_METHOD = "other"
"""The label of every other method: clients may make up as many as they like."""

COMMIT_BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

METRICS: web.AppKey["Metrics"] = web.AppKey("metrics")

logger = logging.getLogger(__name__)


class Metrics:
    """The figures of one server, in a registry of its own: two servers in one program do not mix."""

    def __init__(self, store: Store, admission: Admission) -> None:
        self._store = store
        self._admission = admission
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "telemetry_requests", "Requests answered.", ["method", "status"], registry=registry
        )
        self._accepted = Counter(
            "telemetry_records_accepted", "Records taken, duplicates among them.", registry=registry
        )
        self._duplicate = Counter(
            "telemetry_records_duplicate", "Records taken that were stored already.", registry=registry
        )
        self._rejected = Counter(
            "telemetry_records_rejected", "Records refused for what is in them.", registry=registry
        )
        self._missing = Gauge(
            "telemetry_events_missing",
            "Events that tabs have numbered and that are not stored, by the gaps in their numbers.",
            registry=registry,
        )
        self._dropped = Gauge(
            "telemetry_events_dropped", "Events that workers reported as lost.", registry=registry
        )
        self._filtered = Gauge(
            "telemetry_events_filtered",
            "Events that workers reported as left out by disable_ui_events.",
            registry=registry,
        )
        self._queue_records = Gauge(
            "telemetry_queue_records", "Records that wait for their commit.", registry=registry
        )
        self._queue_bytes = Gauge(
            "telemetry_queue_bytes", "Bytes of bodies that came and wait for their commit.", registry=registry
        )
        self._commit_seconds = Histogram(
            "telemetry_commit_seconds",
            "How long a transaction took, from its begin until it was durable.",
            buckets=COMMIT_BUCKETS_SECONDS,
            registry=registry,
        )

    def answered(self, method: str, status: int) -> None:
        """Count an answer."""
        label = method if method in KNOWN_METHODS else OTHER_METHOD
        self._requests.labels(label, str(status)).inc()

    def taken(self, batch: Batch, *, duplicates: int) -> None:
        """Count the records of a request that was answered with success."""
        self._accepted.inc(len(batch.accepted))
        self._duplicate.inc(duplicates)
        self._rejected.inc(batch.rejected_count)

    def committed(self, seconds: float) -> None:
        """Count a transaction; may be called from any thread."""
        self._commit_seconds.observe(seconds)

    async def text(self) -> bytes:
        """Give all figures; those that the store cannot tell now are NaN."""
        missing = dropped = filtered = math.nan
        try:
            losses = await self._store.losses()
            missing, dropped, filtered = losses.missing, losses.dropped, losses.filtered
        except StoreUnavailableError as error:
            logger.warning("losses cannot be counted: %s", error)
        self._missing.set(missing)
        self._dropped.set(dropped)
        self._filtered.set(filtered)
        self._queue_records.set(self._admission.records)
        self._queue_bytes.set(self._admission.waiting_bytes)
        return text_of(self._registry)


@web.middleware
async def count_requests(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count what was answered. What is no HTTP never comes here."""
    try:
        response = await handler(request)
    except web.HTTPException as error:
        request.app[METRICS].answered(request.method, error.status)
        raise
    request.app[METRICS].answered(request.method, response.status)
    return response


async def get_metrics(request: web.Request) -> web.Response:
    """Answer with the figures."""
    return web.Response(
        body=await request.app[METRICS].text(),
        headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4, "Cache-Control": "no-store"},
    )
