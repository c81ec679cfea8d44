"""The source maps of the scripts that a test has loaded."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import unquote_to_bytes, urldefrag, urljoin

from pytest_sharedworker.source_maps.source_map import Original, SourceMap, find_source_map_url


class Script(NamedTuple):
    """A script as the browser got it: its text, and its header SourceMap, "" for none."""

    text: str
    source_map_header: str = ""


class ScriptMaps:
    """Find the source map of a script when somebody asks for a position, and keep it.

    `find_script` returns the last script of a URL; `fetch` returns the bytes of a URL, None where it
    cannot be had.
    """

    def __init__(
        self, find_script: Callable[[str], Script | None], fetch: Callable[[str], bytes | None]
    ) -> None:
        self._find_script = find_script
        self._fetch = fetch
        self._maps: dict[tuple[str, str], SourceMap | None] = {}

    def get(self, url: str) -> SourceMap | None:
        """Return the map of the script of a URL; None where it has none that can be read."""
        url = urldefrag(url).url
        script = self._find_script(url)
        target = script and (script.source_map_header or find_source_map_url(script.text))
        if not target:
            return None
        key = url, target
        if key not in self._maps:
            self._maps[key] = self._load(url, target)
        return self._maps[key]

    def find(self, url: str, line: int, column: int) -> Original | None:
        """Return where a position of a script comes from. All numbers count from 1, as in a stack."""
        source_map = self.get(url)
        original = source_map and source_map.find(line - 1, column - 1)
        if not original:
            return None
        return original._replace(line=original.line + 1, column=original.column + 1)

    def _load(self, url: str, target: str) -> SourceMap | None:
        try:
            if target.startswith("data:"):
                return SourceMap(_decode_data_url(target).decode(), url)
            map_url = urljoin(url, target)
            body = self._fetch(map_url)
            return None if body is None else SourceMap(body.decode("utf-8-sig"), map_url)
        except ValueError:  # A map that cannot be read is no map: the positions stay those of the script.
            return None


def _decode_data_url(url: str) -> bytes:
    """Return the bytes of a data: URL. Raise ValueError."""
    head, _, data = url.partition(",")
    body = unquote_to_bytes(data)
    if not head.endswith(";base64"):
        return body
    try:
        return base64.b64decode(body)
    except binascii.Error as error:
        raise ValueError(str(error)) from error
