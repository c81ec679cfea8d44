"""The types of command-line arguments: durations, sizes, files, ids."""

import argparse
import re
from pathlib import Path

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_DURATION = re.compile(r"([0-9]{1,9})([smhdw])", re.ASCII)

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)

_SIZE = re.compile(r"([0-9]{1,12})(?:([kMGT])(i?)B|B)?", re.ASCII | re.IGNORECASE)
_POWERS = {"k": 1, "m": 2, "g": 3, "t": 4}


def parse_duration(text: str) -> float:
    """Return the seconds of a duration such as 90d. Raise ArgumentTypeError."""
    found = _DURATION.fullmatch(text)
    if not found or not int(found[1]):
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration above 0, such as 90d, 12h, 30m or 45s")
    return float(int(found[1]) * _SECONDS[found[2]])


def parse_size(text: str) -> int:
    """Return the bytes of a size such as 500MB (powers of 1000) or 2GiB (powers of 1024). Raise
    ArgumentTypeError."""
    found = _SIZE.fullmatch(text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size, such as 500MB or 2GiB")
    base: int = 1024 if found[3] else 1000
    power: int = _POWERS.get((found[2] or "").lower(), 0)
    factor: int = base**power
    return int(found[1]) * factor


def parse_file(text: str) -> Path:
    """Return the path of a file. Raise ArgumentTypeError for an empty name: it would mean the current
    folder."""
    if not text:
        raise argparse.ArgumentTypeError("the name of the file is empty")
    return Path(text)


def parse_id(text: str) -> str:
    """Return an id; a UUID without the white space around it. Raise ArgumentTypeError if it is blank or not
    UTF-8."""
    if not text.strip():
        raise argparse.ArgumentTypeError("the id is empty")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise argparse.ArgumentTypeError("the id is not UTF-8") from error
    return text.strip() if _UUID.fullmatch(text.strip()) else text
