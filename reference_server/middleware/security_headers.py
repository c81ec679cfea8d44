"""The security headers of every response: no content sniffing, and a Content Security Policy."""

import secrets

from aiohttp import web

POLICY = "Content-Security-Policy"
NOTHING = "default-src 'none'; frame-ancestors 'none'"
"""The policy of data: if a browser renders a response as a page, the page can do nothing."""

SCRIPTS = "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'"
"""The policy of modules. A worker has the policy of its script; it imports modules and posts batches."""

SERVER_NAME = "telemetry"

NONCE_BYTES = 16


def generate_nonce() -> str:
    """Return an unguessable nonce (W3C, Content Security Policy Level 3: 128 bits at least)."""
    return secrets.token_urlsafe(NONCE_BYTES)


def build_page_policy(nonce: str) -> str:
    """Return the policy of the page whose inline style and script carry the nonce."""
    return (
        f"default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src data:; "
        "worker-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


async def add_security_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Add the security headers to a response, and hide the versions of Python and aiohttp."""
    response.headers["Server"] = SERVER_NAME
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.setdefault(POLICY, NOTHING)
