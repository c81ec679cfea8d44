"""Refusal of requests for a host that is not this server's: a page whose name was made to lead here.

By DNS rebinding a foreign page becomes, for its browser, a page of this server's own origin. Only the name
in the header Host tells (https://owasp.org: DNS rebinding).
"""

import ipaddress
from collections.abc import Collection

from aiohttp import web
from aiohttp.typedefs import Middleware

from reference_server.errors import Handler, WireError
from reference_server.middleware.same_origin import origin_of

ANY_HOST = "*"
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")


def default_hosts(bound_host: str) -> list[str]:
    """Give the names for a server that listens at `bound_host`: loopback's, and that address."""
    return [*LOOPBACK_HOSTS, f"[{bound_host}]" if ":" in bound_host else bound_host]


class AllowedHosts:
    """The names that a request may be for, in any case, with any port: a proxy may listen at another.

    Where one is an address that stands for all of the machine's (0.0.0.0, [::]), any address will do: none
    can be made to lead elsewhere. `*` allows everything. Raises ValueError for what is no host.
    """

    def __init__(self, names: Collection[str]) -> None:
        self._names = {_host_of(name) for name in names if name != ANY_HOST}
        self._any_name = ANY_HOST in names
        self._any_address = any(_is_unspecified(name) for name in self._names)

    def allows(self, host: str) -> bool:
        """Say whether a request for this host, without brackets, is one for this server."""
        return self._any_name or host in self._names or (self._any_address and _address_of(host) is not None)


def allowed_hosts_only(allowed: AllowedHosts) -> Middleware:
    """Give the middleware that refuses the others; it comes after the one that refuses foreign origins."""

    @web.middleware
    async def check_host(request: web.Request, handler: Handler) -> web.StreamResponse:
        origin = origin_of(f"{request.scheme}://{request.host}")
        if origin is None or not allowed.allows(origin.host):
            raise WireError(
                403,
                "host_not_allowed",
                "This server does not answer to this host; --allowed-host names those to which it does.",
                field="Host",
            )
        return await handler(request)

    return check_host


def _host_of(name: str) -> str:
    origin = origin_of(f"http://{name}")
    if origin is None or origin_of(f"http://{name}:1") is None:  # the second: it has a port already
        raise ValueError(f"allowed host {name!r}: has to be a name or an address, without a port")
    return origin.host


def _address_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_unspecified(host: str) -> bool:
    address = _address_of(host)
    return address is not None and address.is_unspecified
