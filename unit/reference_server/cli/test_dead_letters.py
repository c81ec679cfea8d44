"""Dead letters: what is rejected is kept for the operator, within bounds, and never served."""

import base64
import gzip
import json
import signal
import sqlite3
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from reference_server.storage.dead_letters import (
    MAX_AGE_SECONDS,
    MAX_CONTENT_BYTES,
    MAX_LETTERS,
    DeadLetter,
    discard_old_letters,
    insert_letters,
)
from unit.support.command import Command, StartCommand, run
from unit.support.samples import ENDPOINT, encode_body, make_record
from unit.support.stores import connect, fill, query

SECRET = "do-not-serve-this"


@pytest.fixture
def command(start_command: StartCommand, configuration_file: Path, tmp_path: Path) -> Command:
    return start_command("--config", configuration_file, "--database", tmp_path / "records.db")


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Return a connection to an empty store."""
    with closing(connect(fill(tmp_path / "records.db"))) as connection:
        yield connection


def read_letters(database: Path) -> list[dict[str, Any]]:
    result = run("dead-letters", "--database", database)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.isascii()
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_rejected_records_are_kept_with_reason_and_time(command: Command, tmp_path: Path) -> None:
    rejected: list[object] = [{"event_name": f"\x1b[31m{SECRET}\u202e"}, 5, None, make_record(seq=1)]
    assert command.post(make_record(0), *rejected) == 200
    letters = read_letters(tmp_path / "records.db")
    assert [json.loads(letter["content"]) for letter in letters] == rejected
    assert [letter["field"] for letter in letters] == ["installation_id", None, None, "tab_id"]
    assert all(letter["reason"] and not letter["truncated"] for letter in letters)
    for letter in letters:
        age = datetime.now(timezone.utc) - datetime.fromisoformat(letter["rejected_at"])
        assert timedelta(seconds=-1) < age < timedelta(minutes=5)
    assert query(tmp_path / "records.db", "SELECT count(*) FROM records") == [(1,)]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"records": [', "body_not_json"),
        (b'{"records": 5}', "records_missing"),
        (b"\xff\x00", "body_not_json"),
    ],
)
def test_refused_bodies_are_kept_as_they_arrived(
    command: Command, tmp_path: Path, body: bytes, code: str
) -> None:
    assert command.post_raw(body) in (400, 422)
    [letter] = read_letters(tmp_path / "records.db")
    assert letter["reason"].startswith(f"{code}: ")
    content = (
        letter["content"].encode() if "content" in letter else base64.b64decode(letter["content_base64"])
    )
    assert (content, letter["bytes"]) == (body, len(body))


def test_compressed_body_is_kept_compressed(command: Command, tmp_path: Path) -> None:
    body = gzip.compress(b"not JSON")
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    with pytest.raises(urllib.error.HTTPError, match="400") as refused:
        urllib.request.urlopen(urllib.request.Request(command.url + ENDPOINT, body, headers))
    refused.value.close()
    [letter] = read_letters(tmp_path / "records.db")
    assert base64.b64decode(letter["content_base64"]) == body


def test_long_content_is_cut_off_between_characters(command: Command, tmp_path: Path) -> None:
    record = {"event_name": "\U0001f600" * MAX_CONTENT_BYTES}
    encoded = json.dumps(record, ensure_ascii=False)
    assert command.post_raw(f'{{"records": [{encoded}]}}'.encode()) == 200
    [letter] = read_letters(tmp_path / "records.db")
    assert letter["truncated"] is True
    assert letter["bytes"] == len(encoded.encode())
    assert encoded.startswith(letter["content"])
    assert len(letter["content"].encode()) > MAX_CONTENT_BYTES - 4


def test_all_rejected_records_are_counted_but_only_some_kept(command: Command, tmp_path: Path) -> None:
    assert command.post_raw(encode_body(*[0] * 1_500)) == 200
    assert command.get_metric("telemetry_records_rejected_total") == 1_500
    assert command.get_metric("telemetry_dead_letters") == 1_000
    assert len(read_letters(tmp_path / "records.db")) == 1_000


def test_dead_letters_are_in_no_response(command: Command, tmp_path: Path) -> None:
    assert command.post({"event_name": SECRET}) == 200
    assert command.post_raw(f'{{"records": ["{SECRET}'.encode()) == 400
    for path in ("", "metrics", "openapi.json", "health", "ready", "dead-letters", ENDPOINT, "records.db"):
        try:
            with urllib.request.urlopen(command.url + path) as response:
                text = response.read()
        except urllib.error.HTTPError as error:
            with error:
                text = error.read()
        assert SECRET.encode() not in text, path
    _, log = command.stop(signal.SIGTERM)
    assert SECRET not in log
    assert len(read_letters(tmp_path / "records.db")) == 2


def test_oldest_letters_go_beyond_the_count(connection: sqlite3.Connection) -> None:
    for first in range(0, MAX_LETTERS + 500, 500):
        letters = [DeadLetter(b"%d" % number, "reason", None) for number in range(first, first + 500)]
        insert_letters(connection, letters, len(letters))
    assert connection.execute(
        "SELECT count(*), min(CAST(content AS TEXT) + 0) FROM dead_letters"
    ).fetchone() == (
        MAX_LETTERS,
        500,
    )
    assert connection.execute("SELECT dead_letters, dead_letters_discarded FROM totals").fetchone() == (
        MAX_LETTERS,
        500,
    )


def test_oldest_letters_go_beyond_the_bytes(connection: sqlite3.Connection) -> None:
    for number in range(10):
        insert_letters(
            connection, [DeadLetter(b"%d" % number * 1_000, "reason", None)], 1, max_total_bytes=4_500
        )
    rows = connection.execute("SELECT substr(content, 1, 1) FROM dead_letters ORDER BY id").fetchall()
    assert rows == [(b"6",), (b"7",), (b"8",), (b"9",)]
    assert connection.execute("SELECT dead_letter_bytes FROM totals").fetchone() == (4_000,)


def test_old_letters_go(connection: sqlite3.Connection) -> None:
    insert_letters(connection, [DeadLetter(b"x", "reason", None)], 1)
    [(rejected_at,)] = connection.execute("SELECT rejected_at FROM dead_letters")
    assert discard_old_letters(connection, rejected_at + MAX_AGE_SECONDS) == 0
    assert discard_old_letters(connection, rejected_at + MAX_AGE_SECONDS + 1) == 1


def test_old_letters_go_while_no_other_arrives(
    start_command: StartCommand, configuration_file: Path, tmp_path: Path
) -> None:
    database = fill(tmp_path / "records.db")
    with closing(connect(database)) as connection:
        insert_letters(connection, [DeadLetter(b"x", "reason", None)], 1)
        connection.execute("UPDATE dead_letters SET rejected_at = 0")
    command = start_command("--config", configuration_file, "--database", database)
    assert command.post(make_record()) == 200  # queued behind the first step of the maintenance
    assert command.get_metric("telemetry_dead_letters") == 0
    assert command.get_metric("telemetry_dead_letters_discarded_total") == 1
