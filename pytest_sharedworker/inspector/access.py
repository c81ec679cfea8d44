"""Who may use the inspector: whoever has its URL, on this machine.

The page shows what the app under test writes, and its commands run code in the app's workers. A page of
another origin must reach neither, also not under a host name that resolves to 127.0.0.1 (DNS rebinding).
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping

SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:;"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Of every response: only the inspector's own files run, and the token does not leave in a Referer."""


def is_host_allowed(host: str | None, port: int) -> bool:
    """Return whether a Host header names the inspector on this machine."""
    return host is not None and host.lower() in (f"127.0.0.1:{port}", f"localhost:{port}")


def is_token_valid(given: str, token: str) -> bool:
    """Return whether a token is the right one, in a time that does not depend on where it differs."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), token.encode())


def is_command_allowed(headers: Mapping[str, str], host: str) -> bool:
    """Return whether a POST comes from the inspector's own page, or from a program that is no browser."""
    origin = headers.get("Origin")
    site = headers.get("Sec-Fetch-Site", "same-origin")
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return (
        kind == "application/json"  # A form of another origin cannot send it without a preflight.
        and origin in (None, f"http://{host}")
        and site in ("same-origin", "none")
    )
