"""docs/operating.md against the code: commands, options, metrics and numbers."""

import re
import shlex
from pathlib import Path

import pytest

from reference_server.__main__ import COMMANDS
from reference_server.api.metrics import COUNTERS, GAUGES
from reference_server.api.ready import CHECK_TIMEOUT_SECONDS, RESULT_SECONDS
from reference_server.app import LAST_GOOD_SUFFIX
from reference_server.cli.metrics_token import VARIABLE
from reference_server.config.last_good import HOLD_SECONDS
from reference_server.storage.accounting import PLAUSIBLE_GAP, PLAUSIBLE_REPORT, SECONDS_PER_DAY
from reference_server.storage.dead_letters import (
    MAX_AGE_SECONDS,
    MAX_CONTENT_BYTES,
    MAX_LETTERS,
    MAX_TOTAL_BYTES,
)
from reference_server.storage.erasure import REWRITE_BYTES
from reference_server.storage.retention import IDENTITY_DAYS, STEP_SECONDS

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
PROTOCOL = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^(?:\.venv/bin/)?python -m reference_server (.*)$", TEXT, re.MULTILINE)
MEBIBYTE = 1024 * 1024


def test_every_command_is_in_the_table() -> None:
    assert set(re.findall(r"^\| `([a-z-]+)` \|", TEXT, re.MULTILINE)) == set(COMMANDS)


@pytest.mark.parametrize("example", EXAMPLES)
def test_commands_of_examples_take_their_options(example: str, capsys: pytest.CaptureFixture[str]) -> None:
    command, *arguments = shlex.split(example)
    with pytest.raises(SystemExit, match="0"):
        COMMANDS[command](["--help"])
    described = capsys.readouterr().out
    for argument in arguments:
        assert not argument.startswith("--") or argument in described


def test_every_counter_of_the_store_is_described() -> None:
    names = {f"{name}_total" for name in COUNTERS if "discarded" not in name} | set(GAUGES)
    assert names <= set(re.findall(r"`(telemetry_\w+)`", TEXT))
    assert VARIABLE in TEXT


@pytest.mark.parametrize(
    "text",
    [
        f"**{IDENTITY_DAYS} days after the deletion**",
        f"newest {MAX_LETTERS:,}, at most {MAX_TOTAL_BYTES // MEBIBYTE} MiB",
        f"for {MAX_AGE_SECONDS // SECONDS_PER_DAY} days, of each the first {MAX_CONTENT_BYTES // 1024} KiB",
        f"`telemetry.sqlite{LAST_GOOD_SUFFIX}`",
        f"It holds for {HOLD_SECONDS // SECONDS_PER_DAY} days",
        f"at most once {'a second' if RESULT_SECONDS == 1 else '?'}, and waits",
        f"waits at most {CHECK_TIMEOUT_SECONDS:g} s for it",
        f"a file of up to {REWRITE_BYTES // MEBIBYTE} MiB",
        f"for {STEP_SECONDS * 1000:.0f} ms at a time",
        f"a gap of more than {PLAUSIBLE_GAP:,}",
        f"more than 10{'⁹' if PLAUSIBLE_REPORT == 10**9 else '?'} of one session",
    ],
)
def test_numbers_are_those_of_the_code(text: str) -> None:
    assert text in " ".join(TEXT.split())


def test_protocol_names_the_horizon_of_duplicates() -> None:
    assert f"known for {IDENTITY_DAYS} days after the deletion" in PROTOCOL
