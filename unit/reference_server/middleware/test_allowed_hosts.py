"""The hosts that a server allows; api/test_wire_errors.py covers invalid hosts."""

import aiohttp
import pytest

from reference_server.middleware.allowed_hosts import (
    ANY_HOST,
    LOOPBACK_HOSTS,
    AllowedHosts,
    get_default_hosts,
)
from unit.reference_server.conftest import StartServer
from unit.support.samples import ENDPOINT, encode_body, make_record

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("bound", "host", "allowed"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "localhost", True),
        ("127.0.0.1", "::1", True),
        ("127.0.0.1", "evil.test", False),
        ("127.0.0.1", "localhost.evil.test", False),
        ("127.0.0.1", "10.0.0.1", False),
        ("app.test", "app.test", True),
        ("App.Test", "app.test", True),
        ("fe80::1", "fe80::1", True),
        ("0.0.0.0", "10.0.0.1", True),
        ("::", "fe80::1", True),
        ("0.0.0.0", "evil.test", False),
    ],
)
def test_default_hosts_are_loopback_and_the_bound_address(bound: str, host: str, allowed: bool) -> None:
    assert AllowedHosts(get_default_hosts(bound)).allows(host) is allowed


def test_star_allows_every_host() -> None:
    assert AllowedHosts([ANY_HOST]).allows("evil.test")


@pytest.mark.parametrize("name", ["", "a b", "app.test:80", "http://app.test", "app.test/", "::1", "*.test/"])
def test_invalid_allowed_host_raises(name: str) -> None:
    with pytest.raises(ValueError, match="allowed host"):
        AllowedHosts([name])


@pytest.mark.parametrize("path", [ENDPOINT, "health", "metrics", "openapi.json", "", "nothing"])
async def test_rebound_host_is_refused(
    start_server: StartServer, client: aiohttp.ClientSession, path: str
) -> None:
    server = await start_server(allowed_hosts=LOOPBACK_HOSTS)
    headers = {"Host": "evil.test", "Origin": "http://evil.test"}
    async with client.get(server.url / path if path else server.url, headers=headers) as response:
        assert (response.status, (await response.json())["error"]) == (403, "host_not_allowed")


async def test_refused_host_stores_nothing(start_server: StartServer, client: aiohttp.ClientSession) -> None:
    server = await start_server(allowed_hosts=["app.test"])
    for host, status in (("evil.test", 403), ("APP.test:8080", 200)):
        headers = {**JSON, "Host": host, "Origin": f"http://{host}"}
        async with client.post(
            server.url / ENDPOINT, data=encode_body(make_record()), headers=headers
        ) as response:
            assert response.status == status
    assert await server.store.count() == 1
