"""Runs MLflow's own server with its telemetry pointed at this machine; to be run by a Python that has MLflow.

    python serve_mlflow.py CONFIG_URL

MLflow asks CONFIG_URL for its telemetry's configuration, where it would ask its makers. Prints its port.
"""

import sys

import mlflow.telemetry.utils as telemetry
from mlflow.server import app
from werkzeug.serving import make_server


def main(config_url: str) -> None:
    """Serve until the process is ended."""
    telemetry.CONFIG_URL = telemetry.UI_CONFIG_URL = config_url
    server = make_server("127.0.0.1", 0, app, threaded=True)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
