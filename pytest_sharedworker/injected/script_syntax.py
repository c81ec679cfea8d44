"""Recognize a module, and a strict script, by the text of a worker's script."""

from __future__ import annotations

import re

_NO_CODE = re.compile(
    rb"""
    (?P<comment> //[^\n]* | /\*.*?\*/ )
    | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' | `(?:\\.|[^`\\])*`
    # A slash behind one of these begins a regular expression, elsewhere it divides.
    | (?<=[(,=:\[!&|?{};\n])[ \t]* /(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n\[])+/
    """,
    re.DOTALL | re.VERBOSE,
)
"""Comments, strings, templates and regular expressions: where a word is not a keyword."""

_STATIC_IMPORT = re.compile(
    rb"""(?:^|[;}\n])\s*(?:
        import\s*"" | import(?:\s+[\w$]|\s*[{*])[^()";]*\bfrom\s*""
        | export(?:\s+\w|\s*[{*])
    )""",
    re.VERBOSE,
)
_STRICT = re.compile(
    rb"""(?:\s|//[^\n]*\n|/\*.*?\*/)*("use\ strict"|'use\ strict')""", re.DOTALL | re.VERBOSE
)


def has_static_imports(script: bytes) -> bool:
    """Return whether `script` has import or export statements, and so can only be a module."""
    bare = _NO_CODE.sub(lambda found: b" " if found["comment"] else b'""', script)
    return _STATIC_IMPORT.search(bare) is not None


def is_strict(script: bytes) -> bool:
    """Return whether `script` begins with "use strict", which counts only at the very beginning."""
    return _STRICT.match(script) is not None
