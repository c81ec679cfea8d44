"""The sources of the configuration: a file that changes, a URL that is slow, wrong or unreachable.

A fake clock covers the cache times; the time that a request waits for a fetch passes in real time.
test_model.py covers the meaning of the values, test_last_good.py how long they hold.
"""

import asyncio
import json
import logging
import os
import resource
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from reference_server.config.last_good import LastGood
from reference_server.config.sources import (
    MAX_SOURCE_BYTES,
    ConfigurationSource,
    FileSource,
    NoSource,
    UrlSource,
    create_source,
)
from reference_server.errors import ConfigurationUnknownError
from reference_server.version import SERVER_VERSION
from unit.reference_server.config.fake_clock import FakeClock
from unit.support.samples import ENABLED, write_configuration

THREE_HOURS = 3 * 60 * 60
DISABLED = {**ENABLED, "disable_ui_telemetry": True}
UNREADABLE = [
    "",
    "null",
    "[]",
    "not JSON",
    "{}",
    '{"error": "unavailable"}',
    json.dumps(ENABLED)[:-1],
    json.dumps(ENABLED) + "}",
    "\0" * 200,
    "<!doctype html>",
]


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


def create_url_source(site: StubSite, clock: FakeClock | None = None, wait_seconds: float = 60) -> UrlSource:
    """Create a source that waits long enough for a busy machine."""
    return UrlSource(
        site.url,
        LastGood(site.url),
        monotonic_seconds=clock or FakeClock(),
        fetch_wait_seconds=wait_seconds,
        fetch_timeout_seconds=60,
    )


def create_file_source(path: Path) -> FileSource:
    return FileSource(path, LastGood(str(path)))


async def is_disabled(source: ConfigurationSource) -> bool:
    return (await source.get_current()).disable_ui_telemetry


async def expect_unknown(source: ConfigurationSource) -> None:
    with pytest.raises(ConfigurationUnknownError):
        await source.get_current()


async def test_no_source_is_unknown() -> None:
    await expect_unknown(create_source(None))


def test_text_is_a_url_only_with_a_scheme(tmp_path: Path) -> None:
    assert isinstance(create_source(None), NoSource)
    assert isinstance(create_source("https://example.test/{version}.json"), UrlSource)
    assert isinstance(create_source("configuration.json"), FileSource)
    assert isinstance(create_source(tmp_path), FileSource)


async def test_file_change_with_same_size_and_time_is_detected(tmp_path: Path) -> None:
    path = write_configuration(tmp_path / "c.json", {**ENABLED, "ui_rollout_percentage": 11})
    before = os.stat(path)
    source = create_file_source(path)
    assert (await source.get_current()).ui_rollout_percentage == 11
    write_configuration(path, {**ENABLED, "ui_rollout_percentage": 22})
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert os.stat(path).st_size == before.st_size
    assert (await source.get_current()).ui_rollout_percentage == 22


async def test_missing_file_is_unknown_until_it_exists(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = create_file_source(tmp_path / "c.json")
    await expect_unknown(source)
    assert "no such file" in caplog.text
    write_configuration(tmp_path / "c.json")
    assert not await is_disabled(source)


def delete_file(path: Path) -> None:
    path.unlink()


def replace_by_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def replace_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def replace_by_link_to_itself(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def enlarge(path: Path) -> None:
    path.write_text(json.dumps(ENABLED) + " " * MAX_SOURCE_BYTES, encoding="utf-8")


@pytest.mark.parametrize(
    "spoil",
    [
        delete_file,
        replace_by_directory,
        replace_by_pipe,
        replace_by_link_to_itself,
        enlarge,
        *(lambda path, text=text: path.write_text(text, encoding="utf-8") for text in UNREADABLE),
    ],
)
@pytest.mark.parametrize("values", [ENABLED, DISABLED])
async def test_last_configuration_holds_while_the_file_is_unreadable(
    tmp_path: Path, values: dict[str, object], spoil: Callable[[Path], object]
) -> None:
    path = write_configuration(tmp_path / "c.json", values)
    source = create_file_source(path)
    before = await source.get_current()
    spoil(path)
    assert await source.get_current() == before
    await expect_unknown(create_file_source(path))


async def test_last_configuration_holds_without_file_descriptors(tmp_path: Path) -> None:
    source = create_file_source(write_configuration(tmp_path / "c.json"))
    await source.get_current()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        configuration = await source.get_current()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert not configuration.disable_ui_telemetry


@pytest.mark.parametrize("changes", [{"disable_telemetry": "yes"}, {"disable_ui_telemetry": None}])
async def test_unclear_switch_is_unknown_and_replaces_no_last_configuration(
    tmp_path: Path, changes: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    path = write_configuration(tmp_path / "c.json")
    source = create_file_source(path)
    before = await source.get_current()
    write_configuration(path, {**ENABLED, **changes})
    for _ in range(3):
        await expect_unknown(source)
    assert len(caplog.records) == 1
    path.unlink()
    assert await source.get_current() == before


async def test_last_configuration_holds_over_a_restart(tmp_path: Path) -> None:
    path = write_configuration(tmp_path / "c.json")
    before = await create_source(path, tmp_path / "last.json").get_current()
    write_configuration(path, "half of")
    assert await create_source(path, tmp_path / "last.json").get_current() == before


@pytest.mark.parametrize("count", [400, 800, 40_000])
async def test_large_file_is_read_whole(tmp_path: Path, count: int) -> None:
    events = [f"event-{number:04}" for number in range(count)]
    source = create_file_source(
        write_configuration(tmp_path / "c.json", {**ENABLED, "disable_ui_events": events})
    )
    assert (await source.get_current()).disable_ui_events == events


async def test_same_text_has_its_problems_logged_again_after_a_failure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    path = tmp_path / "c.json"
    source = create_file_source(path)
    text = json.dumps({**ENABLED, "ui_rollout_percentage": []})
    for content in (text, text, "{", "{", text, text):
        path.write_text(content, encoding="utf-8")
        assert (await source.get_current()).ui_rollout_percentage == 0
    assert ["percentage is list" in message for message in caplog.messages] == [True, False, True]


async def test_invalid_value_is_logged_once_until_it_changes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    path = write_configuration(tmp_path / "c.json", {**ENABLED, "ui_rollout_percentage": "50"})
    source = create_file_source(path)
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
    assert not await is_disabled(create_source(f"{site.url}/{{version}}/c.json"))
    assert site.paths == [f"/{SERVER_VERSION}/c.json"]


async def test_success_is_cached_for_three_hours(site: StubSite) -> None:
    clock = FakeClock()
    source = create_url_source(site, clock)
    assert not await is_disabled(source)
    site.body = json.dumps(DISABLED)
    clock.seconds += THREE_HOURS - 0.001
    assert not await is_disabled(source)
    clock.seconds += 0.001
    assert await is_disabled(source)
    assert len(site.paths) == 2


async def test_failure_is_cached_for_thirty_seconds(site: StubSite) -> None:
    clock = FakeClock()
    source = create_url_source(site, clock)
    site.status = 500
    await expect_unknown(source)
    site.status = 200
    clock.seconds += 29.999
    await expect_unknown(source)
    clock.seconds += 0.001
    assert not await is_disabled(source)
    assert len(site.paths) == 2


@pytest.mark.parametrize("values", [ENABLED, DISABLED])
@pytest.mark.parametrize(("status", "body"), [(503, "{}"), *((200, text) for text in UNREADABLE)])
async def test_last_configuration_holds_while_the_url_fails(
    site: StubSite, values: dict[str, object], status: int, body: str
) -> None:
    clock = FakeClock()
    source = create_url_source(site, clock)
    site.body = json.dumps(values)
    before = await source.get_current()
    site.status, site.body = status, body
    clock.seconds += THREE_HOURS
    assert await source.get_current() == before
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


@pytest.mark.parametrize("status", [204, 404, 500])
async def test_status_other_than_200_is_unknown(site: StubSite, status: int) -> None:
    site.status = status
    await expect_unknown(create_url_source(site))


async def test_response_that_is_too_large_is_unknown(site: StubSite) -> None:
    site.body += " " * MAX_SOURCE_BYTES
    await expect_unknown(create_url_source(site))


async def test_slow_response_is_used_when_it_arrives(
    site: StubSite, caplog: pytest.LogCaptureFixture
) -> None:
    site.may_respond.clear()
    source = UrlSource(site.url, LastGood(site.url))
    loop = asyncio.get_running_loop()
    started_at = loop.time()
    await expect_unknown(source)
    assert 0.9 < loop.time() - started_at < 10  # the site does not respond
    assert "no response within 1 s" in caplog.text
    for _ in range(10):  # Later requests do not wait a second each.
        await expect_unknown(source)
    assert loop.time() - started_at < 10
    fetch = source._fetch
    assert fetch is not None
    site.may_respond.set()
    await fetch
    assert not await is_disabled(source)
    assert len(site.paths) == 1


async def test_close_cancels_a_fetch(site: StubSite) -> None:
    site.may_respond.clear()
    source = create_url_source(site, wait_seconds=0)
    await expect_unknown(source)
    fetch = source._fetch
    assert fetch is not None
    await source.close()
    assert fetch.cancelled()


async def test_closed_port_is_unknown(unused_tcp_port: int) -> None:
    await expect_unknown(create_source(f"http://127.0.0.1:{unused_tcp_port}/"))


async def test_invalid_url_is_unknown() -> None:
    await expect_unknown(create_source("http://[broken/"))
