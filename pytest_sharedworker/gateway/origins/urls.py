"""Origins as text: `scheme://host`, in lower case, with a port that is not the scheme's default."""

from __future__ import annotations

from urllib.parse import urlsplit

from pytest_sharedworker.errors import GatewayError

_DEFAULT_PORTS = {"http": 80, "https": 443}


def make_origin(scheme: str, host: str, port: int | None) -> str:
    """Return an origin as a browser writes it."""
    shown = "" if port in (None, _DEFAULT_PORTS.get(scheme)) else f":{port}"
    return f"{scheme}://{host.lower()}{shown}"


def split_authority(authority: str) -> tuple[str, int]:
    """Return host (an IPv6 address in brackets) and port of `host:port`. Raise ValueError."""
    host, _, port = authority.rpartition(":")
    return host, int(port)


def get_origin(url: str) -> str:
    """Return the origin of an absolute URL. Raise ValueError."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if not host.isascii():
        host = host.encode("idna").decode()
    return make_origin(parts.scheme, f"[{host}]" if ":" in host else host, parts.port)


def check_origin(text: str) -> str:
    """Return an origin that a test wrote. Raise GatewayError."""
    try:
        parts = urlsplit(text)
        is_origin = parts.scheme in _DEFAULT_PORTS and bool(parts.hostname) and "@" not in parts.netloc
        origin = get_origin(text)
    except ValueError as error:
        raise GatewayError(f"{text!r} is no origin: {error}") from error
    if not is_origin or "*" in origin:
        hint = "" if "://" in text else f"; did you mean 'https://{text.strip('/')}'?"
        raise GatewayError(
            f"{text!r} is no origin: give scheme and host, such as 'https://app.example.test'{hint}"
        )
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise GatewayError(f"{text!r} is more than an origin; did you mean {origin!r}?")
    return origin
