"""The aiohttp application: its middlewares, its state and its routes."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from aiohttp import web

from reference_server.api.admission import Admission
from reference_server.api.decoder import Decoder
from reference_server.api.metrics import METRICS, METRICS_TOKEN, Metrics, count_responses
from reference_server.api.openapi import PREFIX
from reference_server.api.ready import READINESS, Readiness
from reference_server.api.routes import build_routes
from reference_server.api.static import FILES
from reference_server.api.telemetry import ADMISSION, DECODER, ENVIRON, LIMITS, SOURCE, STORE
from reference_server.api.worker_files import WorkerFiles
from reference_server.config.sources import ConfigurationSource
from reference_server.limits import Limits
from reference_server.middleware.allowed_hosts import AllowedHosts, require_allowed_host
from reference_server.middleware.error_responses import convert_errors
from reference_server.middleware.same_origin import require_same_origin
from reference_server.middleware.security_headers import add_security_headers
from reference_server.storage.store import Store


@dataclass(frozen=True)
class Services:
    """What the handlers use. `prefix` is empty or like `/app`."""

    prefix: str
    source: ConfigurationSource
    environ: Mapping[str, str]
    store: Store
    limits: Limits
    allowed_hosts: AllowedHosts
    files: WorkerFiles
    metrics_token: str | None = None


def build_application(services: Services) -> web.Application:
    """Build an application. It does not open the store; its `METRICS` observe the store's commits."""
    app = web.Application(
        middlewares=[
            count_responses,
            convert_errors,
            require_same_origin,
            require_allowed_host(services.allowed_hosts),
        ]
    )
    app.on_response_prepare.append(add_security_headers)
    _add_state(app, services)
    app.add_routes(build_routes(services.prefix))
    return app


def _add_state(app: web.Application, services: Services) -> None:
    limits = services.limits
    app[PREFIX] = services.prefix
    app[SOURCE] = services.source
    app[ENVIRON] = services.environ
    app[STORE] = services.store
    app[LIMITS] = limits
    app[FILES] = services.files
    app[ADMISSION] = admission = Admission(limits.max_waiting_records, limits.max_waiting_bytes)
    app[METRICS] = Metrics(services.store, admission)
    app[METRICS_TOKEN] = services.metrics_token
    app[DECODER] = decoder = Decoder(limits.max_body)
    app[READINESS] = readiness = Readiness(services.store)
    app.on_cleanup.append(partial(_close, services.source, decoder, readiness))


async def _close(
    source: ConfigurationSource, decoder: Decoder, readiness: Readiness, app: web.Application
) -> None:
    await source.close()
    await readiness.close()
    decoder.close()
