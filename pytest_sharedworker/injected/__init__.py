"""The prologue: JavaScript that runs before a worker's first line.

The parts are `control.js` (the channel to the harness), `offline.js`, those of virtual time (`clock.js`
moves it, `work.js` knows what it waits for, and the files between them what the browser does for a worker)
and the case's own init scripts. `tab.js` is their counterpart in the page.

A prologue is served on the line of the script's first line, so that line numbers in errors and
coverage stay those of the script. A script without static imports may be classic or module: the
prologue stands in front of its text. One with static imports is a module for certain, and its imports
would run first; there the prologue is an import of its own in front of them (ES modules are evaluated
in the order in which they are imported).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources

MARK = "pytest-sharedworker-mark"
"""Key of the harness's own messages on a tab's port; the prologue takes them out."""

TAG_HEADER = "x-pytest-sharedworker"
"""Request header `<worker id>.<request number>.<virtual ms>`; the gateway takes it out."""

_VIRTUAL_TIME = (
    "timers.js", "work.js", "requests.js", "indexeddb.js", "locks.js", "streams.js", "promises.js",
    "clock.js",
)  # fmt: skip
"""The parts of virtual time, in the order in which they build on one another."""

_COMMENT_LINE = re.compile(r"^\s*//.*$", re.MULTILINE)
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


@cache
def _part(name: str) -> str:
    text = resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
    return " ".join(line.strip() for line in _COMMENT_LINE.sub("", text).splitlines() if line.strip())


def worker_prologue(
    settings: Mapping[str, object], *, virtual_clock: bool, init_scripts: Sequence[str] = ()
) -> str:
    """Return the prologue of one worker, on one line unless an init script has several.

    `settings` holds `port` (of the control server) and `token` (which registry the worker belongs to).
    """
    whole = json.dumps({**settings, "mark": MARK, "tag": TAG_HEADER})
    parts = [_part("control.js"), _part("offline.js")]
    if virtual_clock:
        parts += map(_part, _VIRTUAL_TIME)
    start = f"(() => {{ const settings = {whole}; {' '.join(parts)} }})();"
    # An init script is a script of its own: its declarations stay inside, a `return` is allowed.
    return " ".join([start, *(f"(() => {{ {script}\n}})();" for script in init_scripts)])


def offline_script() -> str:
    """Return what makes a worker that has no prologue ready to be taken offline; a function's text."""
    return f"() => {{ {_part('offline.js')} }}"


def tab_script(*, marks: bool, virtual_clock: bool) -> str:
    """Return what runs first in a tab.

    `marks`: whether the workers carry a prologue that reads marks. `virtual_clock`: whether the tab's
    timers and dates are virtual and move along with its worker's.
    """
    settings = json.dumps({"mark": MARK if marks else None, "virtual_clock": virtual_clock})
    return f"(() => {{ const settings = {settings}; {_part('timers.js')} {_part('tab.js')} }})();"


def has_static_imports(script: bytes) -> bool:
    """Tell whether `script` has import or export statements, and so can only be a module."""
    bare = _NO_CODE.sub(lambda found: b" " if found["comment"] else b'""', script)
    return _STATIC_IMPORT.search(bare) is not None


def is_strict(script: bytes) -> bool:
    """Tell whether `script` begins with "use strict", which counts only where nothing stands before it."""
    return _STRICT.match(script) is not None
