"""Scripts that run first in documents, for browsers that cannot add them themselves.

The gateway puts them into the HTML that it serves, in front of the document's first script. They take
themselves out of the document again. A Content-Security-Policy in a header allows them by their hash.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence

from aiohttp import web
from multidict import CIMultiDict

from pytest_sharedworker.gateway.content_encoding import decode_body, list_encodings
from pytest_sharedworker.gateway.csp import allow_page_scripts
from pytest_sharedworker.gateway.messages import RawResponse

_DESTINATIONS = ("document", "iframe", "frame", "embed", "object")

_HEAD = re.compile(
    rb"""
    (?: \s+
      | <!--.*?-->
      | <! (?:doctype) [^>]* >
      | <html (?: \s (?: [^>"'] | "[^"]*" | '[^']*' )* )? >
      | <head (?: \s (?: [^>"'] | "[^"]*" | '[^']*' )* )? >
    )*
    """,
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
"""What may precede the script: a script in front of it would change the document."""

_BOM = b"\xef\xbb\xbf"
_CHARSET = re.compile(r"""charset\s*=\s*["']?([^\s"';]+)""", re.IGNORECASE)


def is_document_request(request: web.Request) -> bool:
    """Return whether a browser requests a document."""
    destination = request.headers.get("Sec-Fetch-Dest")
    if destination is None:  # Of an origin that is not trustworthy: browsers send no Fetch Metadata there.
        return request.headers.get("Accept", "").startswith("text/html")
    return destination in _DESTINATIONS


def is_html(response: RawResponse) -> bool:
    """Return whether a response is a document into which scripts can be put."""
    kind = response.headers.get("Content-Type", "").lower()
    return kind.partition(";")[0].strip() == "text/html" and "utf-16" not in kind


def insert_scripts(response: RawResponse, scripts: Sequence[str]) -> RawResponse:
    """Return an HTML response whose document runs these scripts first."""
    body = decode_body(response.body, response.headers)
    if list_encodings(response.headers) and body is response.body:
        return response  # Nobody here can decode it.
    headers = response.headers.copy()
    headers.popall("Content-Encoding", None)
    texts = [_prepare(script) for script in scripts]
    allow_page_scripts(headers, [f"'sha256-{_hash(text)}'" for text in texts])
    elements = _encode("".join(f"<script>{text}</script>" for text in texts), headers)
    start = len(_BOM) if body.startswith(_BOM) else 0
    found = _HEAD.match(body, start)
    end = found.end() if found else start
    changed = body[:end] + elements + body[end:]
    _correct_length(headers, len(changed) - len(response.body), is_broken=response.stream is not None)
    return response._replace(headers=headers, body=changed)


def _prepare(script: str) -> str:
    # In HTML these would end the script, or begin another kind of text.
    escaped = re.sub(r"<(?=/script|script|!--)", r"\\x3C", script, flags=re.IGNORECASE)
    return f"document.currentScript.remove(); (() => {{ {escaped}\n}})();"


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _encode(text: str, headers: CIMultiDict[str]) -> bytes:
    charset = _CHARSET.search(headers.get("Content-Type", ""))
    try:
        return text.encode(charset[1] if charset else "utf-8")
    except (LookupError, UnicodeEncodeError):
        return text.encode()


def _correct_length(headers: CIMultiDict[str], added: int, *, is_broken: bool) -> None:
    if is_broken and "Content-Length" in headers:  # A document that breaks off.
        headers["Content-Length"] = str(int(headers["Content-Length"]) + added)
