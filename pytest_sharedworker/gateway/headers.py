"""Headers as a test gives them, and those that a proxy does not forward."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from multidict import CIMultiDict

NOT_FORWARDED = frozenset(
    name.lower()
    for name in (
        "Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "TE", "Trailer",
        "Proxy-Connection", "Transfer-Encoding", "Upgrade", "Content-Length",
    )
)  # fmt: skip
"""In lower case: headers of one connection (RFC 9110 §7.6.1), and the body's length."""

NOT_FORWARDED_FROM_SERVER = NOT_FORWARDED - {"content-length"}


def remove_headers(headers: Mapping[str, str], names: Collection[str]) -> CIMultiDict[str]:
    """Return headers without some names, which are given in lower case."""
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in names)


def split_values(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """Return headers as they are sent: a value of several lines, as of Set-Cookie, is several headers.

    So Playwright has it.
    """
    return CIMultiDict(
        (name, line) for name, value in headers.items() for line in str(value).splitlines() or [""]
    )
