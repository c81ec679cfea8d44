"""The text that evaluates JavaScript in a document, by the rules of Playwright's `evaluate`.

A page's policy may forbid `eval`: WebDriver runs its script in spite of it. The text of the test therefore is
a part of that script, and `eval` is needed only for statements, which no expression can hold.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from playwright.sync_api import Error as PlaywrightError

from pytest_sharedworker.control.values import parse_value
from pytest_sharedworker.injected.prologue import values_script

# WebDriver's last argument is the callback that ends an asynchronous script.
_SCRIPT = """
((evaluate, [argument, done]) => {
    const { encode, decode } = %s;
    (async () => {
        let value = evaluate();
        if (typeof value === "function") value = value(decode(JSON.parse(argument)));
        return encode(await value);
    })().then(
        (value) => done({ value: JSON.stringify(value) }),
        (error) => done(error instanceof Error
            ? { name: error.name, message: error.message, stack: String(error.stack || "") }
            : { name: "Error", message: String(error), stack: "" }),
    );
})(() => (%s
), arguments);
"""


def make_script(expression: str) -> str:
    """Return the script for an expression or a function; its syntax is wrong where it is neither."""
    return _SCRIPT % (values_script(), expression)


def make_statements_script(statements: str) -> str:
    """Return the script for statements, whose value is that of the last one."""
    return make_script(f"(0, eval)({json.dumps(statements)})")


def read_result(result: dict[str, Any], method: str) -> Any:
    """Return the value that a script has passed to WebDriver. Raise what it threw."""
    if "value" in result:
        return parse_value(json.loads(result["value"]))
    raise_error(result, method)


def raise_error(thrown: dict[str, Any], method: str) -> NoReturn:
    """Raise an exception of JavaScript as Playwright's Error."""
    message = f"{thrown['name']}: {thrown['message']}"
    error = PlaywrightError(f"{method}: {message}")
    error._name = thrown["name"]
    # WebKit's stacks do not begin with the message.
    error._stack = f"{message}\n{thrown['stack']}"
    raise error
