"""Control characters and CI commands in an app's text have no effect."""

from __future__ import annotations

import pytest

from pytest_sharedworker import ConsoleMessage, EvaluationError, WaitTimeoutError, WorkerError
from pytest_sharedworker.terminal_text import escape_text


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("plain: text\n\twith tabs; a::b; C++ ## heading [1]", None),
        ("\x1b[2J", r"\x1b[2J"),
        ("a\x00b\x07\x7f\x9b2J", r"a\x00b\x07\x7f\x9b2J"),
        ("50 %\rdone", r"50 %\x0ddone"),
        ("one\r\ntwo", "one\ntwo"),
        ("\u202eabc\u2028def", r"\u202eabc\u2028def"),
        ("half \ud800", r"half \ud800"),
        ("::error::injected", r"\x3a:error::injected"),
        ("fine\n  ::set-output name=a::b", "fine\n  \\x3a:set-output name=a::b"),
        ("fine\n\t::stop-commands::x\n::add-mask::y", "fine\n\t\\x3a:stop-commands::x\n\\x3a:add-mask::y"),
        ("it says ##[error]no", r"it says \x23#[error]no"),
        ("##vso[task.complete]", r"\x23#vso[task.complete]"),
        ("##teamcity[testFailed name='x']", r"\x23#teamcity[testFailed name='x']"),
    ],
)
def test_active_text_becomes_visible_escapes(text: str, escaped: str | None) -> None:
    assert escape_text(text) == (text if escaped is None else escaped)


def test_messages_and_errors_print_as_escapes_and_keep_their_text() -> None:
    text = "\x1b[2J\n::error::injected"
    message = ConsoleMessage("log", text)
    assert message.text == text
    assert str(message) == "log: \\x1b[2J\n\\x3a:error::injected"
    assert str(WorkerError(text)) == "\\x1b[2J\n\\x3a:error::injected"
    assert str(WaitTimeoutError(f"it wrote:\n{text}")) == "it wrote:\n\\x1b[2J\n\\x3a:error::injected"
    error = EvaluationError(text)
    assert error.message == text
    assert str(error) == "\\x1b[2J\n\\x3a:error::injected"
