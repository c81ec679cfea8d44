"""MLflow's own server, and what it forwards records to: a service on this machine instead of MLflow's."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

from e2e.conformance.paths import CHECKOUT

PYTHON_VARIABLE = "MLFLOW_PYTHON"
"""The environment variable that names a Python with MLflow, absolute or from the checkout."""
_RUNNER = Path(__file__).with_name("serve_mlflow.py")
_VERSION = "import importlib.metadata as m; print(m.version('mlflow'))"


def get_python() -> Path:
    """Return the Python that has MLflow. Raise KeyError if no variable names one."""
    return CHECKOUT / os.environ[PYTHON_VARIABLE]


def read_version() -> str:
    """Return the version of that MLflow."""
    return subprocess.check_output([get_python(), "-c", _VERSION], text=True).strip()


class TelemetryService:
    """Serves a configuration that enables telemetry, and passes on the records that MLflow forwards."""

    def __init__(self, version: str, receive: Callable[[dict[str, Any]], None] = lambda record: None) -> None:
        """Listen. MLflow forwards nothing if `version` is not its own; `receive` gets each record."""
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._respond(service._get_configuration(version))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                for record in body["records"]:
                    receive(record["data"])
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

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def _get_configuration(self, version: str) -> dict[str, object]:
        return {
            "mlflow_version": version,
            "disable_telemetry": False,
            "disable_ui_telemetry": False,
            "disable_ui_events": [],
            "ui_rollout_percentage": 100,
            "rollout_percentage": 100,
            "ingestion_url": f"{self.url}/ingest",
        }


class RunningMlflow(NamedTuple):
    """MLflow's server: its origin and its process."""

    origin: str
    process_id: int


@contextmanager
def run_mlflow(folder: Path, service: TelemetryService) -> Iterator[RunningMlflow]:
    """Run MLflow's server. Its environment is minimal, because MLflow disables telemetry on CI machines."""
    environment = {
        "HOME": str(folder),
        "PATH": os.environ["PATH"],
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/db",
    }
    with subprocess.Popen(
        [get_python(), _RUNNER, service.url],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        try:
            port = process.stdout.readline().strip()
            if not port:
                raise RuntimeError(f"{PYTHON_VARIABLE}={get_python()}: MLflow's server did not start")
            yield RunningMlflow(f"http://127.0.0.1:{port}", process.pid)
        finally:
            process.terminate()
