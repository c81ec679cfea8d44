"""Join the JavaScript that runs before the first line of a worker or of a page.

A worker's prologue consists of the browser's globals (`globals.js`), the control channel (`control.js`,
`evaluate.js` with `values.js`, `console.js` with `console-text.js`), `performance-entries.js`, `reports.js`,
`offline.js`, `announcements.js`, `sockets.js`, the parts of virtual time where the clock is virtual
(`clock.js` moves it, `work.js` counts what it waits for, the files between them report what the browser does
for a worker), and the test's own init scripts. `tab.js` is their counterpart in the page.

A prologue is served on the line of the script's first line, so that line numbers in errors and coverage
stay those of the script. A script without static imports may be classic or module: the prologue stands in
front of its text. One with static imports is certainly a module, and its imports would run first; there the
prologue is its own import in front of them (ES modules are evaluated in the order of their imports).

The parts are joined without a parser: each statement ends in a semicolon, and a comment fills whole lines or
stands between `/*` and `*/`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources

_EVALUATE = "function () { return eval(arguments[0]); }"
"""In a module's text: what sees the variables of that module, which are not global.

A named parameter would hide a variable of the module.
"""

_SCOPE = f"{{ evaluate: this === undefined ? {_EVALUATE} : undefined }}"
"""How `evaluate` reaches them, where the prologue is in the text of a script that may be a module."""

_SELF = "this === undefined ? globalThis : this"
"""The global object, whose name `self` a script may declare, too."""

_OWN_SCOPE = "pytestSharedWorkerScope"
"""The same, where the prologue is a module of its own: the module that imports it sets `evaluate`."""

MARK = "pytest-sharedworker-mark"
"""Key of the plugin's messages between a tab and a worker; both ends take them out."""

OWN_PREFIX = "/__pytest_sharedworker__/"
"""Paths of the gateway below it belong to the plugin; they are neither forwarded nor in the journal."""

SOCKET_PARAMETER = "__pytest_sharedworker__"
"""Last parameter in the URL of a worker's WebSocket, up to the gateway: the worker's id and its number."""

WORKER_PARTS = (
    "globals.js", "values.js", "evaluate.js", "replace.js", "control.js", "console-text.js", "console.js",
    "performance-entries.js", "reports.js", "offline.js", "announcements.js", "sockets.js",
)  # fmt: skip
"""The parts of every prologue, in the order in which they build on one another."""

VIRTUAL_TIME_PARTS = (
    "dates.js", "xhr-timeouts.js", "timers.js", "work.js", "ports.js", "requests.js", "messages.js",
    "indexeddb.js", "own-locks.js", "locks.js", "streams.js", "promises.js", "clock.js",
)  # fmt: skip
"""The parts of virtual time, which follow WORKER_PARTS."""

ACTIVITY_PARTS = ("activity.js",)
"""What reports a worker's messages and storage; only where an inspector shows them."""

OFFLINE_PARTS = ("globals.js", "replace.js", "offline.js")
"""What a worker without a prologue runs so that it can be taken offline."""

VALUES_PARTS = ("globals.js", "values.js")
EVALUATE_PARTS = (*VALUES_PARTS, "evaluate.js")
"""What evaluates by DevTools in a worker without a prologue, and what turns values into JSON."""

TAB_PARTS = (
    "globals.js", "replace.js", "reports.js", "dates.js", "xhr-timeouts.js", "timers.js",
    "performance-entries.js", "inline-workers.js", "own-locks.js", "tab.js",
)  # fmt: skip
"""The parts of the script that runs first in a tab."""

_COMMENT = re.compile(
    r"""
    ^[ \t]* //[^\n]*$
    | ^[ \t]* /\*(?:(?!\*/).)*\*/[ \t]*$
    """,
    re.MULTILINE | re.DOTALL | re.VERBOSE,
)
"""Comments that fill their lines."""


@cache
def _read(name: str) -> str:
    text = resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
    return " ".join(line.strip() for line in _COMMENT.sub("", text).splitlines() if line.strip())


def _join(parts: Sequence[str]) -> str:
    return " ".join(map(_read, parts))


def worker_prologue(
    settings: Mapping[str, object],
    *,
    virtual_clock: bool,
    init_scripts: Sequence[str] = (),
    inline_url: str | None = None,
    reports_activity: bool = False,
) -> str:
    """Return the prologue of one worker, on one line unless an init script has several.

    `settings` holds `port` (of the control server), `token` (which registry the worker belongs to) and
    `origin` (of the gateway). `inline_url` is the URL of a script that the gateway does not serve: its worker
    runs without the plugin where a policy forbids the control channel. `reports_activity`: whether the worker
    reports the messages on its ports and what it stores.
    """
    values = json.dumps(
        {
            **settings,
            "mark": MARK,
            "ownPrefix": OWN_PREFIX,
            "socketParameter": SOCKET_PARAMETER,
            "virtualClock": virtual_clock,
            "inlineUrl": inline_url,
        }
    )
    parts = WORKER_PARTS + (VIRTUAL_TIME_PARTS if virtual_clock else ())
    parts += ACTIVITY_PARTS if reports_activity else ()
    start = f"((scope, self) => {{ const settings = {values}; {_join(parts)} }})({_SCOPE}, {_SELF});"
    if inline_url is not None:
        start = f"try {{ {start} }} catch {{ }}"
    return " ".join([start, *map(_isolate, init_scripts)])


def make_module(prologue: str) -> str:
    """Return the text of a module that runs a prologue."""
    return f"export const {_OWN_SCOPE} = {{}}; {prologue.replace(_SCOPE, _OWN_SCOPE, 1)}"


def import_module(url: str) -> str:
    """Return what a module that runs behind the prologue of `make_module` has in front of its text."""
    return f'import {{ {_OWN_SCOPE} }} from "{url}"; {_OWN_SCOPE}.evaluate = {_EVALUATE}; '


def _isolate(script: str) -> str:
    """Return an init script as a function body: its declarations stay inside, and it can fail by itself."""
    return f"try {{ (() => {{ {script}\n}})(); }} catch (error) {{ globalThis.reportError(error); }}"


def offline_script() -> str:
    """Return a function's text that makes `set_offline` possible in a worker without a prologue."""
    return f"() => {{ {_join(OFFLINE_PARTS)} }}"


def evaluate_script() -> str:
    """Return a function's text, for a worker without a prologue: `(expression, argument) => Promise<value>`.

    Argument and value are JSON in the form of `control.values`.
    """
    scope = "self[self.Symbol.for('pytest-sharedworker.scope')] ?? {}"
    return f"((scope) => {{ {_join(EVALUATE_PARTS)} return evaluate; }})({scope})"


def values_script() -> str:
    """Return an expression's text: `{encode, decode}`, which turn values into JSON of `control.values`."""
    return f"(() => {{ {_join(VALUES_PARTS)} return values; }})()"


def tab_script(*, counts_messages: bool, virtual_clock: bool, wraps_inline_workers: bool = True) -> str:
    """Return the script that runs first in a tab.

    `counts_messages`: whether to count what the page posts, which workers on virtual time have to read.
    `virtual_clock`: whether the tab's timers and dates are virtual and move along with its worker's.
    `wraps_inline_workers`: whether workers of blob: and data: URLs get a prologue.
    """
    settings = json.dumps(
        {
            "mark": MARK,
            "ownPrefix": OWN_PREFIX,
            "countsMessages": counts_messages,
            "virtualClock": virtual_clock,
            "wrapsInlineWorkers": wraps_inline_workers,
        }
    )
    return f"(() => {{ const settings = {settings}; {_join(TAB_PARTS)} }})();"
