"""The sources of the configuration: a file that changes, a URL that is slow, wrong or unreachable.

A fake clock covers the cache times; the timeout of a fetch passes in real time.
test_model.py covers the meaning of the values.
"""

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from reference_server.config.sources import (
    MAX_SOURCE_BYTES,
    FileSource,
    NoSource,
    UrlSource,
    create_source,
)
from reference_server.version import SERVER_VERSION
from unit.support.samples import DISABLED_VALUES, ENABLED, write_configuration

THREE_HOURS = 3 * 60 * 60


class StubSite:
    """A web server that sends one response for every path once `may_respond` is set; it records the paths."""

    def __init__(self) -> None:
        self.body = json.dumps(ENABLED)
        self.status = 200
        self.paths: list[str] = []
        self.requested = asyncio.Event()
        self.may_respond = asyncio.Event()
        self.may_respond.set()
        self.url = ""

    async def respond(self, request: web.Request) -> web.Response:
        self.paths.append(request.path)
        self.requested.set()
        await self.may_respond.wait()
        return web.Response(text=self.body, status=self.status)


class FakeClock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest_asyncio.fixture
async def site() -> AsyncIterator[StubSite]:
    site = StubSite()
    app = web.Application()
    app.router.add_get("/{tail:.*}", site.respond)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    site.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield site
    site.may_respond.set()
    await runner.cleanup()


def create_url_source(site: StubSite, clock: FakeClock | None = None, path: str = "/") -> UrlSource:
    """Create a source with a fetch timeout that is long enough for a busy machine."""
    return UrlSource(site.url + path, monotonic_seconds=clock or FakeClock(), fetch_timeout_seconds=60)


async def is_disabled(source: FileSource | UrlSource | NoSource) -> bool:
    return (await source.get_current()).disable_ui_telemetry


async def test_no_source_disables_telemetry() -> None:
    source = create_source(None)
    assert asdict(await source.get_current()) == DISABLED_VALUES


def test_text_is_a_url_only_with_a_scheme(tmp_path: Path) -> None:
    assert isinstance(create_source("https://example.test/{version}.json"), UrlSource)
    assert isinstance(create_source("configuration.json"), FileSource)
    assert isinstance(create_source(tmp_path), FileSource)


async def test_file_change_with_same_size_and_time_is_detected(tmp_path: Path) -> None:
    path = write_configuration(tmp_path / "c.json", {**ENABLED, "ui_rollout_percentage": 11})
    before = path.stat()
    source = FileSource(path)
    assert (await source.get_current()).ui_rollout_percentage == 11
    write_configuration(path, {**ENABLED, "ui_rollout_percentage": 22})
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert (await source.get_current()).ui_rollout_percentage == 22


async def test_missing_file_disables_until_it_exists(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = FileSource(tmp_path / "c.json")
    assert await is_disabled(source)
    assert "no such file" in caplog.text
    write_configuration(tmp_path / "c.json")
    assert not await is_disabled(source)


async def test_directory_and_huge_file_disable(tmp_path: Path) -> None:
    assert await is_disabled(FileSource(tmp_path))
    huge = tmp_path / "huge.json"
    huge.write_text(json.dumps(ENABLED) + " " * MAX_SOURCE_BYTES, encoding="utf-8")
    assert await is_disabled(FileSource(huge))


async def test_invalid_value_is_logged_once_until_it_changes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    path = write_configuration(tmp_path / "c.json", {**ENABLED, "ui_rollout_percentage": "50"})
    source = FileSource(path)
    for _ in range(3):
        await source.get_current()
    assert len(caplog.records) == 1
    assert "ui_rollout_percentage is str" in caplog.text
    write_configuration(path)
    await source.get_current()
    write_configuration(path, {**ENABLED, "ui_rollout_percentage": None})
    await source.get_current()
    assert len(caplog.records) == 2


async def test_url_version_is_replaced(site: StubSite) -> None:
    assert not await is_disabled(create_url_source(site, path="/{version}/c.json"))
    assert site.paths == [f"/{SERVER_VERSION}/c.json"]


async def test_success_is_cached_for_three_hours(site: StubSite) -> None:
    clock = FakeClock()
    source = create_url_source(site, clock)
    assert not await is_disabled(source)
    site.body = "{}"
    clock.seconds += THREE_HOURS - 0.001
    assert not await is_disabled(source)
    clock.seconds += 0.001
    assert await is_disabled(source)
    assert len(site.paths) == 2


async def test_failure_is_cached_for_thirty_seconds(site: StubSite) -> None:
    clock = FakeClock()
    source = create_url_source(site, clock)
    site.status = 500
    assert await is_disabled(source)
    site.status = 200
    clock.seconds += 29.999
    assert await is_disabled(source)
    clock.seconds += 0.001
    assert not await is_disabled(source)
    assert len(site.paths) == 2


async def test_concurrent_requests_share_one_fetch(site: StubSite) -> None:
    source = create_url_source(site)
    site.may_respond.clear()
    waiting = [asyncio.ensure_future(source.get_current()) for _ in range(20)]
    await site.requested.wait()
    site.may_respond.set()
    responses = await asyncio.gather(*waiting)
    assert {response.disable_ui_telemetry for response in responses} == {False}
    assert len(site.paths) == 1


async def test_canceled_request_does_not_affect_others(site: StubSite) -> None:
    source = create_url_source(site)
    site.may_respond.clear()
    first, second = (asyncio.ensure_future(source.get_current()) for _ in range(2))
    await site.requested.wait()
    first.cancel()
    site.may_respond.set()
    assert not (await second).disable_ui_telemetry
    assert first.cancelled()


@pytest.mark.parametrize("body", ["", "null", "[]", "not JSON"])
async def test_response_that_is_not_an_object_disables(site: StubSite, body: str) -> None:
    site.body = body
    assert await is_disabled(create_url_source(site))


@pytest.mark.parametrize("status", [204, 404, 500])
async def test_status_other_than_200_disables(site: StubSite, status: int) -> None:
    site.status = status
    assert await is_disabled(create_url_source(site))


async def test_response_that_is_too_large_disables(site: StubSite) -> None:
    site.body += " " * MAX_SOURCE_BYTES
    assert await is_disabled(create_url_source(site))


async def test_url_that_does_not_respond_disables_after_a_second(
    site: StubSite, caplog: pytest.LogCaptureFixture
) -> None:
    site.may_respond.clear()
    loop = asyncio.get_running_loop()
    started_at = loop.time()
    assert await is_disabled(UrlSource(site.url))
    assert 0.9 < loop.time() - started_at < 10  # the site never responds
    assert "no response within 1 s" in caplog.text


async def test_closed_port_disables(unused_tcp_port: int) -> None:
    assert await is_disabled(UrlSource(f"http://127.0.0.1:{unused_tcp_port}/"))


async def test_invalid_url_disables() -> None:
    assert await is_disabled(UrlSource("http://[broken/"))
