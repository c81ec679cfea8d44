"""The formats of an export. Each one writes pages of rows to a binary file."""

import re
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any, BinaryIO

import msgspec

from reference_server.errors import ReferenceServerError
from reference_server.storage.export import ExportedRow

Pages = Iterable[list[ExportedRow]]
Write = Callable[[Pages, BinaryIO], None]

_TO_QUOTE = re.compile(r"[,\"\r\n\0]|^\s|\s$")

WITHOUT_PYARROW = "the format parquet needs pyarrow, which is not installed: pip install pyarrow"


class FormatUnavailableError(ReferenceServerError):
    """The package that a format needs is not installed."""


def write_jsonl(pages: Pages, file: BinaryIO) -> None:
    """Write one record per line, as on the wire; `params` keeps every digit of its numbers."""
    for page in pages:
        file.write(b"".join(_encode_line(row) for row in page))


def _encode_line(row: ExportedRow) -> bytes:
    values: dict[str, object] = row._asdict()
    # The JSON of a client may span lines. An indent below 0 removes all white space.
    values["params"] = msgspec.Raw(msgspec.json.format(row.params.encode(), indent=-1))
    if row.tab_id is None:
        del values["tab_id"], values["seq"]
    return msgspec.json.encode(values) + b"\n"


def write_csv(pages: Pages, file: BinaryIO) -> None:
    """Write RFC 4180 with a header line; the identity of a record without one is two empty fields."""
    file.write(_encode_csv_line(ExportedRow._fields))
    for page in pages:
        file.write(b"".join(map(_encode_csv_line, page)))


def _encode_csv_line(values: Iterable[object]) -> bytes:
    """Return a line. Before Python 3.11 the csv module refuses NUL, which texts may hold."""
    return (",".join(map(_encode_csv_field, values)) + "\r\n").encode()


def _encode_csv_field(value: object) -> str:
    text = "" if value is None else str(value)
    return '"' + text.replace('"', '""') + '"' if _TO_QUOTE.search(text) else text


def write_parquet(pages: Pages, file: BinaryIO) -> None:
    """Write one row group per page. Raise FormatUnavailableError if pyarrow is not installed."""
    try:
        pyarrow: Any = import_module("pyarrow")
        parquet: Any = import_module("pyarrow.parquet")
    except ImportError as error:
        raise FormatUnavailableError(WITHOUT_PYARROW) from error
    text, integer = pyarrow.string(), pyarrow.int64()
    types = dict.fromkeys(ExportedRow._fields, text) | {"timestamp_ns": integer, "seq": integer}
    schema = pyarrow.schema(list(types.items()))
    with parquet.ParquetWriter(file, schema) as writer:
        for page in pages:
            writer.write_table(pyarrow.Table.from_pylist([row._asdict() for row in page], schema))


FORMATS: dict[str, Write] = {"csv": write_csv, "jsonl": write_jsonl, "parquet": write_parquet}
