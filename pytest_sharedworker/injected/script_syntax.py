"""Recognize a module, and a strict script, by the text of a worker's script."""

from __future__ import annotations

import re

_REGEXP = rb"/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n\[])+/"
_NOT_CODE_PATTERN = rb"""
    (?P<comment> //[^\n]* | /\*.*?\*/ )
    | (?P<template> ` )
    | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*'
    # A slash behind one of these begins a regular expression, elsewhere it divides. Behind a parenthesis it
    # may do both: there only what is used like a regular expression is one.
    | (?<=[(,=:\[!&|?{};\n>])[ \t]* %(regexp)s
    | (?<![\w$.])(?:return|typeof|case|do|else|in|of|void|delete|throw|new|instanceof|await|yield|default)\b
        [ \t]* %(regexp)s
    | (?<=\))[ \t]* %(regexp)s(?=[a-z]*\.(?:test|exec)\()
    """ % {b"regexp": _REGEXP}
"""Comments, strings, regular expressions and the begins of templates: where a word is not a keyword."""

_FLAGS = re.DOTALL | re.VERBOSE
_NOT_CODE = re.compile(_NOT_CODE_PATTERN, _FLAGS)
_NOT_CODE_OR_BRACE = re.compile(_NOT_CODE_PATTERN + rb"| (?P<brace> [{}] )", _FLAGS)
_TEMPLATE_TEXT = re.compile(rb"(?:\\.|[^\\`$]|\$(?!\{))*(?:`|(?P<substitution>\$\{)|\Z)", re.DOTALL)
"""A template's text, up to its end or to its next substitution."""

_STATIC_IMPORT = re.compile(
    rb"""(?:^|[;}\n])\s*(?:
        import\s*"" | import(?:\s+[\w$]|\s*[{*])(?:[^()";]|"")*?\bfrom\s*""
        | export(?:\s+\w|\s*[{*])
    )""",
    re.VERBOSE,
)
_BLANK = r"(?:[\s\ufeff]|//[^\n]*|/\*(?:(?!\*/).)*\*/)*"
_STRING = re.compile(
    _BLANK + r"""("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')(""" + _BLANK + r")(;?)", re.DOTALL
)
_CONTINUES = re.compile(r"[.(\[*/%,?:<>=&|^`]|!=|\+(?!\+)|-(?!-)|in\b|instanceof\b")
"""What makes a string before it a part of an expression, also on the next line."""

_LINE_END = re.compile("\r\n?|[\u2028\u2029]")


def has_static_imports(script: bytes) -> bool:
    """Return whether `script` has import or export statements, and so can only be a module."""
    return _STATIC_IMPORT.search(_remove_text(script)) is not None


def _remove_text(script: bytes) -> bytes:
    """Return a script with a blank for each comment, and "" for each string, template and pattern."""
    script = script.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    parts: list[bytes] = []
    position = 0
    while found := _NOT_CODE.search(script, position):
        parts += script[position : found.start()], b" " if found["comment"] else b'""'
        position = _skip_template(script, found.end()) if found["template"] else found.end()
    return b"".join([*parts, script[position:]])


def _skip_template(script: bytes, position: int) -> int:
    """Return where a template ends, whose text begins at `position`."""
    while text := _TEMPLATE_TEXT.match(script, position):
        position = text.end()
        if not text["substitution"]:
            break
        position = _skip_substitution(script, position)
    return position


def _skip_substitution(script: bytes, position: int) -> int:
    depth = 1
    while depth and (found := _NOT_CODE_OR_BRACE.search(script, position)):
        position = _skip_template(script, found.end()) if found["template"] else found.end()
        depth += {b"{": 1, b"}": -1}.get(found["brace"], 0)
    return position


def is_strict(script: bytes) -> bool:
    """Return whether "use strict" is among the directives at the begin of `script` (ECMA-262 §11.2.1)."""
    text = _LINE_END.sub("\n", script.decode("utf-8", "replace"))
    position = 0
    while string := _STRING.match(text, position):
        position = string.end()
        is_statement = (
            bool(string[3])
            or position == len(text)
            or ("\n" in string[2] and _CONTINUES.match(text, position) is None)
        )
        if not is_statement:
            return False
        if string[1][1:-1] == "use strict":
            return True
    return False
