"""The inspector's view of a finished test as one file, which opens offline.

The events stand in the file as JSON. They come from the app under test: nothing in them may end the element
that holds them, and the file's policy allows no script but its own.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Sequence
from importlib import resources
from typing import Any

MODULES = ("model.js", "scale.js", "lanes.js", "event-list.js", "details.js", "view.js", "offline.js")
"""The modules of the view in the order in which they build on one another; their top-level names differ."""

_IMPORT = re.compile(r"^import [^;]*;\n", re.MULTILINE)
_EXPORT = re.compile(r"^export ", re.MULTILINE)
_LIVE_ONLY = re.compile(r"[ \t]*<!-- live -->.*?<!-- /live -->\n", re.DOTALL)


def make_page(title: str, events: Sequence[dict[str, Any]]) -> str:
    """Return the HTML document; `events` are those of `feed.to_json`."""
    script = "\n".join(_EXPORT.sub("", _IMPORT.sub("", _read(name))) for name in MODULES)
    script = f"(() => {{\n{script}}})();\n"
    style = _read("style.css")
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; img-src data:;"
        " base-uri 'none'; form-action 'none'"
    )
    page = _LIVE_ONLY.sub("", _read("index.html"))
    replacements = {
        '<meta name="policy">': f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        "<title>Worker inspector</title>": f"<title>{html.escape(title)}</title>",
        '<link rel="stylesheet" href="style.css">': f"<style>{style}</style>",
        '<script type="module" src="main.js"></script>': (
            f'<script type="application/json" id="data">{embed({"title": title, "events": list(events)})}'
            f"</script>\n<script>{script}</script>"
        ),
    }
    for old, new in replacements.items():
        if page.count(old) != 1:
            raise ValueError(f"the page of the inspector has no {old}")
        page = page.replace(old, new)
    return page


def embed(value: object) -> str:
    """Return JSON that can stand in a script element: it has neither markup nor control characters."""
    text = json.dumps(value)  # ASCII: U+2028 and the like are escapes already.
    return (
        text.replace("&", r"\u0026")
        .replace("<", r"\u003c")
        .replace(">", r"\u003e")
        .replace("\x7f", r"\u007f")
    )


def _read(name: str) -> str:
    return resources.files(__package__).joinpath("view").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
