"""The middleware that refuses requests for a host name that is not this server's.

It prevents DNS rebinding: an attacker's host name that resolves to this server makes a foreign page
same-origin for its browser. Only the header Host shows the difference (https://owasp.org: DNS rebinding).
"""

import ipaddress
from collections.abc import Collection

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from reference_server.errors import WireError
from reference_server.middleware.same_origin import parse_origin

ANY_HOST = "*"
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")


def get_default_hosts(bound_host: str) -> list[str]:
    """Return the allowed hosts of a server that listens on `bound_host`: loopback and that address."""
    return [*LOOPBACK_HOSTS, f"[{bound_host}]" if ":" in bound_host else bound_host]


class AllowedHosts:
    """The host names that requests may be for. Case and port are ignored: a proxy may use another port.

    If one of them is an unspecified address (0.0.0.0, [::]), every IP address is allowed: DNS cannot rebind
    an IP address. `*` allows every host. Raise ValueError for a name that is not a host.
    """

    def __init__(self, names: Collection[str]) -> None:
        self._names = {_parse_host(name) for name in names if name != ANY_HOST}
        self._allows_any_name = ANY_HOST in names
        self._allows_any_address = any(_is_unspecified(name) for name in self._names)

    def allows(self, host: str) -> bool:
        """Return whether requests for this host, written without brackets, are allowed."""
        if self._allows_any_name or host in self._names:
            return True
        return self._allows_any_address and _parse_address(host) is not None


def require_allowed_host(allowed: AllowedHosts) -> Middleware:
    """Return a middleware that refuses other hosts. It runs after `require_same_origin`."""

    @web.middleware
    async def check_host(request: web.Request, handler: Handler) -> web.StreamResponse:
        origin = parse_origin(f"{request.scheme}://{request.host}")
        if origin is None or not allowed.allows(origin.host):
            raise WireError(
                403,
                "host_not_allowed",
                "This host is not allowed; --allowed-host sets the hosts that the server responds to.",
                field="Host",
            )
        return await handler(request)

    return check_host


def _parse_host(name: str) -> str:
    origin = parse_origin(f"http://{name}")
    if origin is None or parse_origin(f"http://{name}:1") is None:  # the second: the name has a port
        raise ValueError(f"allowed host {name!r}: expected a name or an address, without a port")
    return origin.host


def _parse_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_unspecified(host: str) -> bool:
    address = _parse_address(host)
    return address is not None and address.is_unspecified
