"""The metrics for Prometheus at `/metrics`, in its text format. They contain nothing from any record.

Counters of records come from the store, which keeps them in the transactions of the records: they are exact
after a crash. Reading them costs the same for any number of records.
"""

import hmac
import logging
import math
import re
from collections.abc import Iterator

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from reference_server.api.admission import Admission
from reference_server.errors import StoreUnavailableError, WireError
from reference_server.model.losses import Totals
from reference_server.storage.store import Store

KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
OTHER_METHOD = "other"
"""The label of all other methods: a client must not be able to create labels."""

COMMIT_BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)

COUNTERS = {
    "telemetry_records_accepted": (
        "accepted",
        "Accepted records, including duplicates, since the store exists.",
    ),
    "telemetry_records_duplicate": ("duplicates", "Accepted records that had arrived before."),
    "telemetry_records_rejected": ("rejected", "Records rejected because of their content."),
    "telemetry_records_deleted": ("deleted", "Records that retention or an operator deleted."),
    "telemetry_dead_letters_discarded": (
        "dead_letters_discarded",
        "Dead letters discarded by the bounds on their number, size and age.",
    ),
}
"""The counters that the store keeps: the name → the field of Totals and the description."""

GAUGES = {
    "telemetry_records_stored": ("events", "Records in the store."),
    "telemetry_dead_letters": ("dead_letters", "Rejected records and bodies that are kept for the operator."),
    "telemetry_events_missing": (
        "missing",
        "Events that never arrived, counted by the gaps in the numbers of each tab.",
    ),
    "telemetry_tabs_implausible": (
        "implausible_tabs",
        "Tabs with a gap too large to count as missing events.",
    ),
    "telemetry_events_dropped": ("dropped", "Events that workers reported as lost."),
    "telemetry_events_filtered": (
        "filtered",
        "Events that workers reported as filtered by disable_ui_events.",
    ),
}
"""The gauges that the store keeps."""

METRICS: web.AppKey["Metrics"] = web.AppKey("metrics")
METRICS_TOKEN: web.AppKey[str | None] = web.AppKey("metrics_token")

_TOKEN = re.compile(r"[!-~]+", re.ASCII)

logger = logging.getLogger(__name__)


class Metrics:
    """The metrics of one server. Each server has its own registry: two servers in one program do not mix."""

    def __init__(self, store: Store, admission: Admission) -> None:
        self._store = store
        self._admission = admission
        self._registry = registry = CollectorRegistry()
        self._totals = _TotalsCollector()
        registry.register(self._totals)
        self._requests = Counter(
            "telemetry_requests", "Requests with a response.", ["method", "status"], registry=registry
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

    def observe_commit(self, seconds: float) -> None:
        """Observe the duration of a transaction; may be called from any thread."""
        self._commit_seconds.observe(seconds)

    async def render(self) -> bytes:
        """Return all metrics in the text format.

        If the store cannot be read now, its gauges are NaN and its counters keep their last values.
        """
        try:
            self._totals.update(await self._store.read_totals())
        except StoreUnavailableError as error:
            self._totals.update(None)
            logger.warning("the store's counters cannot be read: %s", error)
        self._queue_records.set(self._admission.records)
        self._queue_bytes.set(self._admission.waiting_bytes)
        return generate_latest(self._registry)


class _TotalsCollector(Collector):
    """Gives the counters of the store to Prometheus' client."""

    def __init__(self) -> None:
        self._totals = Totals(tabs=0, tabs_with_gaps=0, missing=0, dropped=0, filtered=0)
        self._is_current = False

    def update(self, totals: Totals | None) -> None:
        """Replace the counters; None says that they cannot be read now."""
        self._is_current = totals is not None
        if totals is not None:
            self._totals = totals

    def collect(self) -> Iterator[Metric]:
        """Yield one family per counter and gauge."""
        for name, (attribute, text) in COUNTERS.items():
            yield CounterMetricFamily(name, text, value=getattr(self._totals, attribute))
        for name, (attribute, text) in GAUGES.items():
            value = getattr(self._totals, attribute) if self._is_current else math.nan
            yield GaugeMetricFamily(name, text, value=value)


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


def check_token(token: str) -> str:
    """Return the token. Raise ValueError if a header cannot hold it, or if it is empty."""
    if not _TOKEN.fullmatch(token):
        raise ValueError("metrics token: expected visible ASCII characters without spaces, at least one")
    return token


async def get_metrics(request: web.Request) -> web.Response:
    """Respond with the metrics, if the request carries the token where one is set."""
    _require_token(request)
    return web.Response(
        body=await request.app[METRICS].render(),
        headers={"Content-Type": CONTENT_TYPE_PLAIN_0_0_4, "Cache-Control": "no-store"},
    )


def _require_token(request: web.Request) -> None:
    """Raise WireError 401 unless the request has `Authorization: Bearer TOKEN` (RFC 6750), or no token is
    set."""
    token = request.app[METRICS_TOKEN]
    if token is None:
        return
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    # The time that the comparison takes tells nothing about the token.
    is_equal = hmac.compare_digest(given.strip(" ").encode("utf-8", "surrogateescape"), token.encode())
    if scheme.lower() != "bearer" or not is_equal or len(request.headers.getall("Authorization")) > 1:
        raise WireError(
            401,
            "unauthorized",
            "The metrics need the header Authorization: Bearer TOKEN.",
            field="Authorization",
            headers={"WWW-Authenticate": 'Bearer realm="metrics"'},
        )
