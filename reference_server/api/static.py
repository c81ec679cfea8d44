"""The worker's modules under names that carry a content hash, and the page with the client.

A new build has new names, hence it is a new worker beside the old one. The files are read anew for every
request, so that an edit shows at the next reload of the page.
"""

import hashlib
import re
from pathlib import Path

from aiohttp import web

from reference_server.errors import WireError
from reference_server.middleware.security_headers import POLICY, SCRIPTS, new_nonce, page_policy

WORKER_DIRECTORY = Path(__file__).resolve().parents[2] / "worker"
PAGE = Path(__file__).resolve().with_name("page.html")
WORKER_MODULE = "telemetry.worker.js"
CLIENT_MODULE = "telemetry-client.js"

STATIC_FILES = "static-files"
FOREVER = "public, max-age=31536000, immutable"
HASH_DIGITS = 16

FILES: web.AppKey["WorkerFiles"] = web.AppKey("files")

# A string that is nothing but the relative specifier of a sibling: static and dynamic imports, new URL(…).
_SPECIFIER = re.compile(rb"""(["'`])\./([^"'`/\\]+\.js)\1""")


class WorkerFiles:
    """The JavaScript modules of one directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def build(self) -> dict[str, tuple[str, bytes]]:
        """Read all modules: file name → (public name, content to serve).

        The hash is one for all files, so that a change in any module gives every name anew. Imports of a
        sibling are rewritten to its public name; everything else is served byte for byte.
        """
        sources = {path.name: path.read_bytes() for path in self._directory.glob("*.js") if path.is_file()}
        digest = hashlib.sha256()
        for name in sorted(sources):
            digest.update(f"{name}\0{len(sources[name])}\0".encode() + sources[name])
        content_hash = digest.hexdigest()[:HASH_DIGITS]
        public = {name: f"{name.removesuffix('.js')}.{content_hash}.js" for name in sources}

        def rename(match: re.Match[bytes]) -> bytes:
            quote, sibling = match.groups()
            name = public.get(sibling.decode(errors="replace"))
            return match[0] if name is None else quote + b"./" + name.encode() + quote

        return {name: (public[name], _SPECIFIER.sub(rename, source)) for name, source in sources.items()}


async def get_static_file(request: web.Request) -> web.Response:
    """Serve a module by its public name. Names are looked up, never joined to a path."""
    contents = dict(request.app[FILES].build().values())
    content = contents.get(request.match_info["name"])
    if content is None:
        raise WireError(404, "not_found", "No worker file has this name and this content hash.")
    return web.Response(
        body=content,
        content_type="text/javascript",
        charset="utf-8",
        headers={"Cache-Control": FOREVER, POLICY: SCRIPTS},
    )


async def get_page(request: web.Request) -> web.Response:
    """Serve the page on which a person can click events, with the URLs of today's worker and client."""
    built = request.app[FILES].build()
    page = PAGE.read_text(encoding="utf-8")
    for placeholder, module in (("{{worker_url}}", WORKER_MODULE), ("{{client_url}}", CLIENT_MODULE)):
        if module not in built:
            raise WireError(404, "not_found", f"The worker directory holds no {module}.")
        page = page.replace(placeholder, f"{STATIC_FILES}/{built[module][0]}")
    nonce = new_nonce()
    headers = {"Cache-Control": "no-cache", POLICY: page_policy(nonce)}
    return web.Response(text=page.replace("{{nonce}}", nonce), content_type="text/html", headers=headers)
