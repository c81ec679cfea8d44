"""The command `python -m reference_server dead-letters`: write what the server rejected."""

import base64
import json
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from reference_server.cli.common import add_database_option, create_parser, run
from reference_server.cli.output import add_output_option, open_output
from reference_server.storage.accounting import SECONDS_PER_DAY
from reference_server.storage.dead_letters import (
    MAX_AGE_SECONDS,
    MAX_CONTENT_BYTES,
    MAX_LETTERS,
    MAX_TOTAL_BYTES,
    StoredLetter,
    read_letters,
)
from reference_server.storage.readonly import open_readonly

DESCRIPTION = f"""\
Write the records and bodies that a server rejected because of their content, oldest first, one JSON object
per line. The server keeps the newest {MAX_LETTERS:,}, at most {MAX_TOTAL_BYTES // 1024**2} MiB, for
{MAX_AGE_SECONDS // SECONDS_PER_DAY} days; of each the first {MAX_CONTENT_BYTES // 1024} KiB.
"""
EPILOG = """\
rejected_at     when it was rejected, UTC
reason, field   why, and the field at fault; null if there is none
bytes           the size of the record or body
truncated       whether it was too large to keep all of it
content         the record or body as it arrived, or content_base64 if it is not UTF-8

A record that the server rejected is not stored; the worker does not send it again. Other reasons for a
refusal, such as the size of a body or its origin, leave no dead letter. `prune` deletes dead letters too.
"""


def main(arguments: Sequence[str]) -> int:
    """Write the dead letters and return the exit status."""
    parser = create_parser("dead-letters", DESCRIPTION, EPILOG)
    add_database_option(parser)
    add_output_option(parser)
    options = parser.parse_args(arguments)
    return run(lambda: _write(options.database, options.output))


def _write(database: Path, output: Path) -> None:
    with open_readonly(database) as connection, open_output(output, database) as file:
        for letter in read_letters(connection):
            file.write(_encode_line(letter))


def _encode_line(letter: StoredLetter) -> bytes:
    is_truncated = len(letter.content) < letter.content_bytes
    values = {
        "rejected_at": datetime.fromtimestamp(letter.rejected_at, timezone.utc).isoformat(),
        "reason": letter.reason,
        "field": letter.field,
        "bytes": letter.content_bytes,
        "truncated": is_truncated,
        **_encode_content(letter.content, is_truncated),
    }
    # ASCII: what a stranger sent must not control the operator's terminal.
    return json.dumps(values, ensure_ascii=True).encode() + b"\n"


def _encode_content(content: bytes, is_truncated: bool) -> dict[str, str]:
    try:
        return {"content": content.decode("utf-8")}
    except UnicodeDecodeError as error:
        # The cut may go through the last character.
        if is_truncated and error.start >= len(content) - 3 and error.reason == "unexpected end of data":
            return {"content": content[: error.start].decode("utf-8")}
        return {"content_base64": base64.b64encode(content).decode("ascii")}
