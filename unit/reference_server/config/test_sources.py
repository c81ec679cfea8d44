"""Sources of the configuration: a file that changes, a URL that is slow, wrong or gone.

Time is moved by hand where three hours are waited for; the timeout of a fetch passes in real time.
What the values mean is in test_configuration.py.
"""

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from reference_server.config.sources import (
    MAX_SOURCE_BYTES,
    SERVER_VERSION,
    FileSource,
    NoSource,
    UrlSource,
    source_of,
)
from unit.support.samples import DISABLED_VALUES, ENABLED, write_configuration

THREE_HOURS = 3 * 60 * 60


class Site:
    """A web server that answers everything alike, when it may, and remembers the paths asked for."""

    def __init__(self) -> None:
        self.body = json.dumps(ENABLED)
        self.status = 200
        self.paths: list[str] = []
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.paths.append(request.path)
        self.asked.set()
        await self.may_answer.wait()
        return web.Response(text=self.body, status=self.status)


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest_asyncio.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    app = web.Application()
    app.router.add_get("/{tail:.*}", site.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    site.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield site
    site.may_answer.set()
    await runner.cleanup()


def source_at(site: Site, clock: Clock | None = None, path: str = "/") -> UrlSource:
    """Give a source with a patience for fetches that a busy machine does not try."""
    return UrlSource(site.url + path, monotonic_seconds=clock or Clock(), fetch_timeout_seconds=60)


async def is_disabled(source: FileSource | UrlSource | NoSource) -> bool:
    return (await source.current()).disable_ui_telemetry


async def test_without_a_source_telemetry_is_disabled() -> None:
    source = source_of(None)
    assert (await source.current()).as_json() == DISABLED_VALUES


def test_a_text_is_a_url_only_with_its_scheme(tmp_path: Path) -> None:
    assert isinstance(source_of("https://example.test/{version}.json"), UrlSource)
    assert isinstance(source_of("configuration.json"), FileSource)
    assert isinstance(source_of(tmp_path), FileSource)


async def test_a_file_is_seen_to_change_within_one_tick_and_at_the_same_size(tmp_path: Path) -> None:
    path = write_configuration(tmp_path / "c.json", {**ENABLED, "ui_rollout_percentage": 11})
    before = path.stat()
    source = FileSource(path)
    assert (await source.current()).ui_rollout_percentage == 11
    write_configuration(path, {**ENABLED, "ui_rollout_percentage": 22})
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert (await source.current()).ui_rollout_percentage == 22


async def test_a_file_that_is_missing_disables_until_it_is_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = FileSource(tmp_path / "c.json")
    assert await is_disabled(source)
    assert "no such file" in caplog.text
    write_configuration(tmp_path / "c.json")
    assert not await is_disabled(source)


async def test_a_directory_and_a_huge_file_disable(tmp_path: Path) -> None:
    assert await is_disabled(FileSource(tmp_path))
    huge = tmp_path / "huge.json"
    huge.write_text(json.dumps(ENABLED) + " " * MAX_SOURCE_BYTES, encoding="utf-8")
    assert await is_disabled(FileSource(huge))


async def test_a_wrong_value_is_logged_once_until_it_changes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    path = write_configuration(tmp_path / "c.json", {**ENABLED, "ui_rollout_percentage": "50"})
    source = FileSource(path)
    for _ in range(3):
        await source.current()
    assert len(caplog.records) == 1
    assert "ui_rollout_percentage is str" in caplog.text
    write_configuration(path)
    await source.current()
    write_configuration(path, {**ENABLED, "ui_rollout_percentage": None})
    await source.current()
    assert len(caplog.records) == 2


async def test_the_version_is_filled_into_a_url(site: Site) -> None:
    assert not await is_disabled(source_at(site, path="/{version}/c.json"))
    assert site.paths == [f"/{SERVER_VERSION}/c.json"]


async def test_a_good_answer_holds_for_three_hours(site: Site) -> None:
    clock = Clock()
    source = source_at(site, clock)
    assert not await is_disabled(source)
    site.body = "{}"
    clock.seconds += THREE_HOURS - 0.001
    assert not await is_disabled(source)
    clock.seconds += 0.001
    assert await is_disabled(source)
    assert len(site.paths) == 2


async def test_a_failed_answer_holds_for_thirty_seconds(site: Site) -> None:
    clock = Clock()
    source = source_at(site, clock)
    site.status = 500
    assert await is_disabled(source)
    site.status = 200
    clock.seconds += 29.999
    assert await is_disabled(source)
    clock.seconds += 0.001
    assert not await is_disabled(source)
    assert len(site.paths) == 2


async def test_many_requests_that_wait_cause_one_fetch(site: Site) -> None:
    source = source_at(site)
    site.may_answer.clear()
    waiting = [asyncio.ensure_future(source.current()) for _ in range(20)]
    await site.asked.wait()
    site.may_answer.set()
    answers = await asyncio.gather(*waiting)
    assert {answer.disable_ui_telemetry for answer in answers} == {False}
    assert len(site.paths) == 1


async def test_who_gives_up_waiting_does_not_harm_the_others(site: Site) -> None:
    source = source_at(site)
    site.may_answer.clear()
    first, second = (asyncio.ensure_future(source.current()) for _ in range(2))
    await site.asked.wait()
    first.cancel()
    site.may_answer.set()
    assert not (await second).disable_ui_telemetry
    assert first.cancelled()


@pytest.mark.parametrize("body", ["", "null", "[]", "not JSON"])
async def test_an_answer_that_is_no_object_disables(site: Site, body: str) -> None:
    site.body = body
    assert await is_disabled(source_at(site))


@pytest.mark.parametrize("status", [204, 404, 500])
async def test_another_status_than_200_disables(site: Site, status: int) -> None:
    site.status = status
    assert await is_disabled(source_at(site))


async def test_an_answer_that_is_too_large_disables(site: Site) -> None:
    site.body += " " * MAX_SOURCE_BYTES
    assert await is_disabled(source_at(site))


async def test_a_url_that_does_not_answer_disables_after_a_second(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    site.may_answer.clear()
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert await is_disabled(UrlSource(site.url))
    assert 0.9 < loop.time() - began < 10  # no answer would ever have come
    assert "no answer within 1 s" in caplog.text


async def test_a_port_where_nobody_listens_disables(unused_tcp_port: int) -> None:
    assert await is_disabled(UrlSource(f"http://127.0.0.1:{unused_tcp_port}/"))


async def test_a_url_that_is_none_disables() -> None:
    assert await is_disabled(UrlSource("http://[broken/"))
