"""The worker's modules under public names that carry a content hash.

A new build has new names, so that it runs as a new worker beside the old one.
"""

import hashlib
import re
from pathlib import Path

HASH_DIGITS = 16

# A string that is exactly the relative specifier of a sibling: static and dynamic imports, new URL(…).
_SPECIFIER = re.compile(rb"""(["'`])\./([^"'`/\\]+\.js)\1""")


class WorkerFiles:
    """The JavaScript modules of one directory, read again for each build so that edits show on a reload."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def build(self) -> dict[str, tuple[str, bytes]]:
        """Read all modules and return file name → (public name, content to serve).

        All files share one hash, so that a change in any module renames every module. Imports of a sibling
        are rewritten to its public name; everything else is served byte for byte.
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
