"""Run wptserve from a checkout; a process of its own, with the checkout's modules on its path.

Usage: `python serve_checkout.py CHECKOUT OPTIONS`. OPTIONS is JSON: `config` is wptserve's configuration,
`bind` maps a port of the configuration to the one that is listened on. Substitutions such as
`{{ports[http][0]}}` then name the gateway, whose upstream the server is. It ends with its standard input.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

REPORT = """
add_completion_callback((tests, harness) => {
    window.wptResults = {
        harness: harness.status,
        tests: tests.map(({ name, status }) => [name, status]),
    };
});
setup({ output: false });
"""
"""Takes the place of testharnessreport.js: keep the results for the runner."""


def main() -> None:
    """Serve until standard input ends."""
    checkout, options = Path(sys.argv[1]), json.loads(sys.argv[2])
    os.chdir(checkout)
    sys.path.insert(0, str(checkout / "tools"))
    importlib.import_module("localpaths")
    handlers = importlib.import_module("wptserve.handlers")
    serve: Any = importlib.import_module("serve.serve")
    start_http_server = serve.start_http_server
    bind = {int(port): bound for port, bound in options["bind"].items()}

    def start_bound(logger: Any, host: Any, port: int, *rest: Any, **named: Any) -> Any:
        return start_http_server(logger, host, bind.get(port, port), *rest, **named)

    def build_routes(logger: Any, aliases: Any, config: Any) -> Any:
        builder = serve.get_route_builder(logger, aliases, config)
        report = handlers.StringHandler(REPORT, "text/javascript")
        builder.forbidden_override.insert(0, ("GET", "/resources/testharnessreport.js", report))
        return builder

    serve.start_http_server = start_bound
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(options["config"], file)
        file.flush()
        serve.run(route_builder=build_routes, config_path=file.name, exit_after_start=False)


def _end_with_parent() -> None:
    # Not `sys.stdin.read()`: its lock would be held for ever in the processes that wptserve forks.
    while os.read(0, 1):
        pass
    multiprocessing = importlib.import_module("multiprocessing")
    for process in multiprocessing.active_children():
        process.terminate()
    os._exit(0)


if __name__ == "__main__":
    main()
