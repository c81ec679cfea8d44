"""What browsers are told about answers.

That the page works under its policy is in e2e/client/test_page.py.
"""

import re
from html.parser import HTMLParser

import aiohttp
import pytest
from yarl import URL

from unit.reference_server.conftest import StartServer
from unit.support.samples import ENDPOINT


class Inline(HTMLParser):
    """Collects the nonces of a page's own scripts and styles, and what no nonce would let pass."""

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
async def test_every_answer_is_what_it_says_it_is_and_has_a_policy(
    start_server: StartServer, client: aiohttp.ClientSession, path: str
) -> None:
    server = await start_server()
    async with client.get(server.url / path if path else server.url) as answer:
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy


async def test_the_page_s_own_script_and_style_carry_a_nonce_that_is_never_the_same(
    start_server: StartServer, client: aiohttp.ClientSession
) -> None:
    server = await start_server()
    seen = set()
    for _ in range(2):
        async with client.get(server.url) as answer:
            [nonce] = set(re.findall(r"'nonce-([^']+)'", answer.headers["Content-Security-Policy"]))
            page = Inline()
            page.feed(await answer.text())
        assert page.nonces == [nonce, nonce]
        assert page.forbidden == []
        seen.add(nonce)
    assert len(seen) == 2


async def test_a_module_may_import_its_siblings_and_talk_home(
    start_server: StartServer, client: aiohttp.ClientSession
) -> None:
    server = await start_server()
    async with client.get(server.url) as answer:
        [module] = set(re.findall(r"static-files/telemetry\.worker\.[0-9a-f]+\.js", await answer.text()))
    async with client.get(server.url.join(URL(module))) as answer:
        policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "connect-src 'self'" in policy
