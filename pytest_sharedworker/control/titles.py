"""Short titles of workers, for messages, timelines and the inspector."""

from __future__ import annotations

from urllib.parse import urlsplit

_MAX_LENGTH = 40


def describe_worker(name: str, url: str) -> str:
    """Return "worker" with the name, else with the file name of the script, in quotes.

    The whole URL would fill a lane's title without its end, which is what tells scripts apart.
    """
    if name:
        return f"worker {name!r}"
    address = urlsplit(url)
    script = address.path.rpartition("/")[2] if address.scheme in ("http", "https") else ""
    title = script or url
    if len(title) > _MAX_LENGTH:
        title = f"{title[: _MAX_LENGTH - 1]}…"
    return f"worker {title!r}"
