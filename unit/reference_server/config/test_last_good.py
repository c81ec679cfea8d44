"""The last configuration that could be read: how long it holds, and its file."""

import os
import stat
from pathlib import Path

import pytest

from reference_server.config.last_good import HOLD_SECONDS, REFRESH_SECONDS, RETRY_SECONDS, LastGood
from reference_server.config.model import Configuration
from reference_server.errors import ConfigurationUnknownError
from unit.reference_server.config.fake_clock import FakeClock

ENABLED = Configuration(False, ["quiet.button"], 12.345678)
DISABLED = Configuration()


def test_nothing_holds_before_a_configuration_was_read() -> None:
    with pytest.raises(ConfigurationUnknownError):
        LastGood("a").get()


@pytest.mark.parametrize("configuration", [ENABLED, DISABLED])
def test_configuration_holds_for_a_week(configuration: Configuration) -> None:
    clock = FakeClock()
    last_good = LastGood("a", now_seconds=clock)
    last_good.keep(configuration)
    clock.seconds += HOLD_SECONDS
    assert last_good.get() == configuration
    clock.seconds += 1
    with pytest.raises(ConfigurationUnknownError, match="7 days"):
        last_good.get()
    last_good.keep(configuration)
    assert last_good.get() == configuration


def test_file_keeps_the_configuration_and_its_time(tmp_path: Path) -> None:
    clock = FakeClock()
    LastGood("a", tmp_path / "last.json", now_seconds=clock).keep(ENABLED)
    clock.seconds += HOLD_SECONDS
    assert LastGood("a", tmp_path / "last.json", now_seconds=clock).get() == ENABLED
    clock.seconds += 1
    with pytest.raises(ConfigurationUnknownError):
        LastGood("a", tmp_path / "last.json", now_seconds=clock).get()


def test_time_in_the_future_does_not_hold_for_ever(tmp_path: Path) -> None:
    """The clock was ahead by years when the configuration was read, and has been set right."""
    clock = FakeClock()
    clock.seconds += 100 * HOLD_SECONDS
    LastGood("a", tmp_path / "last.json", now_seconds=clock).keep(ENABLED)
    clock.seconds -= HOLD_SECONDS
    assert LastGood("a", tmp_path / "last.json", now_seconds=clock).get() == ENABLED
    clock.seconds -= 1
    last_good = LastGood("a", tmp_path / "last.json", now_seconds=clock)
    with pytest.raises(ConfigurationUnknownError, match="7 days"):
        last_good.get()
    last_good.keep(ENABLED)
    assert last_good.get() == ENABLED
    assert LastGood("a", tmp_path / "last.json", now_seconds=clock).get() == ENABLED


def test_file_of_another_source_is_not_used(tmp_path: Path) -> None:
    LastGood("a", tmp_path / "last.json").keep(ENABLED)
    with pytest.raises(ConfigurationUnknownError):
        LastGood("b", tmp_path / "last.json").get()


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b"[]", b'{"source": "a", "read_at": 1}', b"\xff"])
def test_damaged_file_is_ignored_and_replaced(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "last.json"
    file.write_bytes(content)
    last_good = LastGood("a", file)
    with pytest.raises(ConfigurationUnknownError):
        last_good.get()
    last_good.keep(ENABLED)
    assert LastGood("a", file).get() == ENABLED


def test_file_is_written_only_for_a_change_or_after_an_hour(tmp_path: Path) -> None:
    clock, file = FakeClock(), tmp_path / "last.json"
    last_good = LastGood("a", file, now_seconds=clock)
    written = []
    for pause, configuration in ((0, ENABLED), (REFRESH_SECONDS - 1, ENABLED), (1, ENABLED), (1, DISABLED)):
        clock.seconds += pause
        last_good.keep(configuration)
        written.append(file.exists())
        file.unlink(missing_ok=True)
    assert written == [True, False, True, True]


def test_folder_that_cannot_be_written_is_no_failure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock()
    last_good = LastGood("a", tmp_path / "missing" / "last.json", now_seconds=clock)
    for _ in range(3):
        last_good.keep(ENABLED)
    assert last_good.get() == ENABLED
    assert caplog.text.count("cannot be written") == 1
    (tmp_path / "missing").mkdir()
    clock.seconds += RETRY_SECONDS
    last_good.keep(ENABLED)
    assert LastGood("a", tmp_path / "missing" / "last.json", now_seconds=clock).get() == ENABLED


def test_only_the_owner_can_read_the_file(tmp_path: Path) -> None:
    LastGood("a", tmp_path / "last.json").keep(ENABLED)
    assert stat.S_IMODE((tmp_path / "last.json").stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["last.json"]
