"""What browsers are told about every answer: how to read it, and what it may do."""

import secrets

from aiohttp import web

POLICY = "Content-Security-Policy"
NOTHING = "default-src 'none'; frame-ancestors 'none'"
"""For answers that are data: should a browser show one as a page, the page can do nothing."""

SCRIPTS = "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'"
"""For modules: a worker lives under the policy of its script. It imports its siblings, and talks home."""

NONCE_BYTES = 16


def new_nonce() -> str:
    """Give a word that no page can guess (W3C, Content Security Policy Level 3: 128 bits at least)."""
    return secrets.token_urlsafe(NONCE_BYTES)


def page_policy(nonce: str) -> str:
    """Give the policy of the page whose own style and script carry the nonce."""
    return (
        f"default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src data:; "
        "worker-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


async def add_policies(request: web.Request, response: web.StreamResponse) -> None:
    """Complete the headers of an answer before it leaves."""
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.setdefault(POLICY, NOTHING)
