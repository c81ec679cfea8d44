"""MLflow's own server as a subject, if `MLFLOW_PYTHON` names a Python that has MLflow (see `e2e/interop`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from bench.server.subjects import RunningServer
from e2e.interop import mlflow_server
from reference_server.api.telemetry import ENDPOINT


@contextmanager
def run_mlflow(folder: Path) -> Iterator[RunningServer]:
    """Run MLflow's server with telemetry on. It stores nothing: it forwards the records to a service here."""
    home = folder / "mlflow"
    home.mkdir()
    service = mlflow_server.TelemetryService(mlflow_server.read_version())
    with closing(service), mlflow_server.run_mlflow(home, service) as server:
        yield RunningServer(server.origin + ENDPOINT, server.process_id)
