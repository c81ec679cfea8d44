"""The handlers for the worker's modules and for the demo page."""

from pathlib import Path

from aiohttp import web

from reference_server.api.worker_files import WorkerFiles
from reference_server.errors import WireError
from reference_server.middleware.security_headers import POLICY, SCRIPTS, build_page_policy, generate_nonce

WORKER_DIRECTORY = Path(__file__).resolve().parents[2] / "worker"
PAGE = Path(__file__).resolve().with_name("page.html")
WORKER_MODULE = "telemetry.worker.js"
CLIENT_MODULE = "telemetry-client.js"

STATIC_FILES = "static-files"
IMMUTABLE = "public, max-age=31536000, immutable"

FILES = web.AppKey("files", WorkerFiles)


async def get_static_file(request: web.Request) -> web.Response:
    """Serve a module by its public name. A name is looked up and never joined to a path."""
    contents = dict(request.app[FILES].build().values())
    content = contents.get(request.match_info["name"])
    if content is None:
        raise WireError(404, "not_found", "No worker file has this name and content hash.")
    return web.Response(
        body=content,
        content_type="text/javascript",
        charset="utf-8",
        headers={"Cache-Control": IMMUTABLE, POLICY: SCRIPTS},
    )


async def get_page(request: web.Request) -> web.Response:
    """Serve the demo page, with the current URLs of the worker and the client."""
    built = request.app[FILES].build()
    page = PAGE.read_text(encoding="utf-8")
    for placeholder, module in (("{{worker_url}}", WORKER_MODULE), ("{{client_url}}", CLIENT_MODULE)):
        if module not in built:
            raise WireError(404, "not_found", f"The worker directory has no {module}.")
        page = page.replace(placeholder, f"{STATIC_FILES}/{built[module][0]}")
    nonce = generate_nonce()
    headers = {"Cache-Control": "no-cache", POLICY: build_page_policy(nonce)}
    return web.Response(text=page.replace("{{nonce}}", nonce), content_type="text/html", headers=headers)
