"""Run MLflow's own server with its telemetry redirected to this machine. Needs a Python that has MLflow.

    python serve_mlflow.py CONFIG_URL

MLflow fetches its telemetry configuration from CONFIG_URL instead of MLflow's own URL. Prints the port.
"""

import sys

import mlflow.telemetry.utils as telemetry
from mlflow.server import app
from werkzeug.serving import make_server


def main(config_url: str) -> None:
    """Serve until the process ends."""
    telemetry.CONFIG_URL = telemetry.UI_CONFIG_URL = config_url
    server = make_server("127.0.0.1", 0, app, threaded=True)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1])
