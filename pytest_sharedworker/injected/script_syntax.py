"""Recognize a module, and a strict script, by the text of a worker's script."""

from __future__ import annotations

import re

_REGEXP = rb"/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n\[])+/"
_NO_CODE = re.compile(
    rb"""
    (?P<comment> //[^\n]* | /\*.*?\*/ )
    | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' | `(?:\\.|[^`\\])*`
    # A slash behind one of these begins a regular expression, elsewhere it divides. Behind a parenthesis it
    # may do both: there only what is used like a regular expression is one.
    | (?<=[(,=:\[!&|?{};\n>])[ \t]* %(regexp)s
    | (?<![\w$.])(?:return|typeof|case|do|else|in|of|void|delete|throw|new|instanceof|await|yield|default)\b
        [ \t]* %(regexp)s
    | (?<=\))[ \t]* %(regexp)s(?=[a-z]*\.(?:test|exec)\()
    """
    % {b"regexp": _REGEXP},
    re.DOTALL | re.VERBOSE,
)
"""Comments, strings, templates and regular expressions: where a word is not a keyword."""

_STATIC_IMPORT = re.compile(
    rb"""(?:^|[;}\n])\s*(?:
        import\s*"" | import(?:\s+[\w$]|\s*[{*])(?:[^()";]|"")*?\bfrom\s*""
        | export(?:\s+\w|\s*[{*])
    )""",
    re.VERBOSE,
)
_BLANK = rb"(?:[\s\xef\xbb\xbf]|//[^\n]*|/\*(?:(?!\*/).)*\*/)*"
_STRING = re.compile(
    _BLANK + rb"""("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')(""" + _BLANK + rb")(;?)", re.DOTALL
)
_CONTINUES = re.compile(rb"[.(\[*/%,?:<>=&|^`]|!=|\+(?!\+)|-(?!-)|in\b|instanceof\b")
"""What makes a string before it a part of an expression, also on the next line."""


def has_static_imports(script: bytes) -> bool:
    """Return whether `script` has import or export statements, and so can only be a module."""
    bare = _NO_CODE.sub(lambda found: b" " if found["comment"] else b'""', script)
    return _STATIC_IMPORT.search(bare) is not None


def is_strict(script: bytes) -> bool:
    """Return whether "use strict" is among the directives at the begin of `script` (ECMA-262 §11.2.1)."""
    position = 0
    while string := _STRING.match(script, position):
        position = string.end()
        is_statement = (
            bool(string[3])
            or position == len(script)
            or (b"\n" in string[2] and _CONTINUES.match(script, position) is None)
        )
        if not is_statement:
            return False
        if string[1][1:-1] == b"use strict":
            return True
    return False
