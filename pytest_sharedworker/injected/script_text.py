"""The text of a worker's script: its encoding, and what may stand only at its very beginning."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_CHARSET = re.compile(r""";\s*charset\s*=\s*["']?([^\s;"']+)""", re.IGNORECASE)
_HASHBANG, _COMMENT = "#!", "//"
_HTML_COMMENT = re.compile(r"(\s*)-->")
"""What is a comment of a classic script at the begin of a line only (ECMA-262 §B.1.1)."""


_LONGEST_BLANK = 1_000
"""How far such a comment may be from the begin."""


@dataclass(frozen=True)
class ScriptText:
    """A script as it was sent: `bom`, and behind it `body` in `encoding`.

    A hashbang or an HTML comment at its begin is a plain comment.
    """

    bom: bytes
    encoding: str
    body: bytes

    @property
    def utf8(self) -> bytes:
        """The body in UTF-8."""
        return self.body if self.encoding == "utf-8" else self.body.decode(self.encoding, "replace").encode()

    def put_behind(self, prefix: str) -> bytes:
        """Return the script behind a prefix, in the script's encoding."""
        if self.encoding != "utf-8":
            prefix = "".join(map(_escape, prefix))
        return self.bom + prefix.encode(self.encoding) + self.body


def read_script(script: bytes, content_type: str) -> ScriptText:
    """Return a script's text. Browsers prefer a byte order mark to the content type."""
    bom, encoding = next(
        ((bom, encoding) for bom, encoding in _BOMS if script.startswith(bom)),
        (b"", _read_charset(content_type)),
    )
    body = script[len(bom) :]
    hashbang = _HASHBANG.encode(encoding)
    if body.startswith(hashbang):
        body = _COMMENT.encode(encoding) + body[len(hashbang) :]
    elif arrow := _HTML_COMMENT.match(body[:_LONGEST_BLANK].decode(encoding, "replace")):
        start, end = (len(text.encode(encoding)) for text in (arrow[1], arrow[0]))
        body = body[:start] + f"{_COMMENT} ".encode(encoding) + body[end:]
    return ScriptText(bom, encoding, body)


def _read_charset(content_type: str) -> str:
    charset = _CHARSET.search(content_type)
    if charset is None:
        return "utf-8"
    label = charset[1].lower()
    if label in ("utf-16", "utf-16le", "utf-16be"):  # The web's utf-16 is little-endian, without a mark.
        return "utf-16-be" if label.endswith("be") else "utf-16-le"
    try:
        name = codecs.lookup(label).name
        "a".encode(name)
    except (LookupError, UnicodeError, TypeError):
        return "utf-8"
    return "cp1252" if name in ("ascii", "iso8859-1") else name


def _escape(character: str) -> str:
    """Return an escape that is right in strings, templates and names of JavaScript."""
    if character.isascii():
        return character
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
