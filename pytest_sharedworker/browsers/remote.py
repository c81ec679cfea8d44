"""How browsers on another machine reach the gateway's proxy on this one.

`--browser-ws-endpoint` brings them to all that listens on the loopback address, through its own connection. A
context's proxy is not part of that: its browser connects to it directly.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

LOOPBACK = "127.0.0.1"
_DEFAULT_PORTS = {"ws": 80, "wss": 443}


@dataclass(frozen=True)
class ProxyAddress:
    """Where a gateway's proxy listens."""

    host: str = LOOPBACK
    """An address or name of this machine, as browsers call it."""
    peers: frozenset[str] | None = None
    """The addresses that may connect; None: all that can."""

    @property
    def url_host(self) -> str:
        """The host as it stands in a URL."""
        return f"[{self.host}]" if ":" in self.host else self.host

    def open_socket(self) -> socket.socket:
        """Listen on a free port. Raise OSError where the host is not one of this machine."""
        family, *_, address = socket.getaddrinfo(self.host, 0, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=512)

    def accepts(self, peer: str) -> bool:
        """Return whether this address may connect: a proxy that all may use opens this machine to them."""
        return self.peers is None or peer in self.peers


@lru_cache
def find_proxy_address(host: str | None, endpoint: str | None) -> ProxyAddress:
    """Return the address that --gateway-proxy-host gives, else what the browsers of `endpoint` can reach.

    That is the address from which this machine connects to theirs; only their machine may use it.
    """
    if host is not None:
        return ProxyAddress(host)
    if endpoint is None:
        return ProxyAddress()
    parts = urlsplit(endpoint)
    try:
        found = socket.getaddrinfo(
            parts.hostname, parts.port or _DEFAULT_PORTS[parts.scheme], type=socket.SOCK_DGRAM
        )
        family, *_, address = found[0]
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(address)  # Sends nothing.
            own: str = probe.getsockname()[0]
    except OSError:
        return ProxyAddress()  # The connection to the endpoint fails too, and says why.
    return ProxyAddress(own, frozenset({own, *(str(each[4][0]) for each in found)}))


def check_proxy_host(host: str) -> str | None:
    """Return what is wrong with the value of --gateway-proxy-host, None where nothing is."""
    try:
        if ipaddress.ip_address(host).is_unspecified:
            return "it is the address of no machine"
    except ValueError:
        pass  # A name.
    try:
        ProxyAddress(host).open_socket().close()
    except (OSError, UnicodeError) as error:
        return f"this machine does not have it ({error})"
    return None
