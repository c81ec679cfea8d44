"""MLflow's own server as a subject, if `MLFLOW_PYTHON` names a Python that has MLflow (see `e2e/interop`)."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from bench.report import CHECKOUT
from bench.server.subjects import RunningServer
from reference_server.api.telemetry import ENDPOINT

PYTHON = "MLFLOW_PYTHON"
_RUNNER = CHECKOUT / "e2e" / "interop" / "serve_mlflow.py"
_VERSION = "import importlib.metadata as m; print(m.version('mlflow'))"


def read_version() -> str:
    """Return the version of the MLflow that is measured."""
    return subprocess.check_output([_get_python(), "-c", _VERSION], text=True).strip()


@contextmanager
def run_mlflow(folder: Path) -> Iterator[RunningServer]:
    """Run MLflow's server with telemetry on. It stores nothing: it forwards the records to a service here."""
    home = folder / "mlflow"
    home.mkdir()
    environ = {"HOME": str(home), "PATH": os.environ["PATH"], "MLFLOW_TRACKING_URI": f"sqlite:///{home}/db"}
    with (
        _run_service() as url,
        subprocess.Popen(
            [_get_python(), _RUNNER, url],
            cwd=home, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        ) as process,
    ):  # fmt: skip
        assert process.stdout
        try:
            port = process.stdout.readline().strip()
            if not port:
                raise RuntimeError(f"{PYTHON}={os.environ[PYTHON]}: MLflow's server did not start")
            yield RunningServer(f"http://127.0.0.1:{port}{ENDPOINT}", process.pid)
        finally:
            process.terminate()


def _get_python() -> Path:
    return CHECKOUT / os.environ[PYTHON]


@contextmanager
def _run_service() -> Iterator[str]:
    """Serve a configuration that enables telemetry, and accept what is forwarded."""

    version = read_version()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            switches = {"disable_telemetry": False, "disable_ui_telemetry": False, "disable_ui_events": []}
            shares = {"ui_rollout_percentage": 100, "rollout_percentage": 100}
            self._respond({**switches, **shares, "mlflow_version": version, "ingestion_url": f"{url}/ingest"})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._respond({})

        def _respond(self, value: object) -> None:
            body = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Do not log requests."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield url
    finally:
        server.shutdown()
        server.server_close()
