"""The security headers of responses.

e2e/client/test_page.py covers that the page works with its policy.
"""

import re
from html.parser import HTMLParser

import aiohttp
import pytest
from yarl import URL

from unit.reference_server.conftest import StartServer
from unit.support.samples import ENDPOINT


class InlineParser(HTMLParser):
    """Collects the nonces of inline scripts and styles, and attributes that no nonce allows."""

    def __init__(self) -> None:
        super().__init__()
        self.nonces: list[str | None] = []
        self.forbidden: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        if tag in ("script", "style"):
            self.nonces.append(names.get("nonce"))
        self.forbidden += [name for name in names if name.startswith("on") or name == "style"]


@pytest.mark.parametrize("path", [ENDPOINT, "health", "metrics", "openapi.json", "nothing", ""])
async def test_every_response_has_nosniff_and_a_policy(
    start_server: StartServer, client: aiohttp.ClientSession, path: str
) -> None:
    server = await start_server()
    async with client.get(server.url / path if path else server.url) as response:
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Server"] == "telemetry"
        policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy


async def test_inline_script_and_style_carry_a_fresh_nonce(
    start_server: StartServer, client: aiohttp.ClientSession
) -> None:
    server = await start_server()
    seen = set()
    for _ in range(2):
        async with client.get(server.url) as response:
            [nonce] = set(re.findall(r"'nonce-([^']+)'", response.headers["Content-Security-Policy"]))
            page = InlineParser()
            page.feed(await response.text())
        assert page.nonces == [nonce, nonce]
        assert page.forbidden == []
        seen.add(nonce)
    assert len(seen) == 2


async def test_module_policy_allows_imports_and_posts(
    start_server: StartServer, client: aiohttp.ClientSession
) -> None:
    server = await start_server()
    async with client.get(server.url) as response:
        [module] = set(re.findall(r"static-files/telemetry\.worker\.[0-9a-f]+\.js", await response.text()))
    async with client.get(server.url.join(URL(module))) as response:
        policy = response.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "connect-src 'self'" in policy
