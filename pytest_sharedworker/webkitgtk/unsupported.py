"""Refuse what WebKitGTK cannot do by WebDriver, by the name of what was called."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

from pytest_sharedworker.errors import UnsupportedError


class Refusal:
    """Stands where Playwright's classes hold their implementation: everything in it is unsupported."""

    def __init__(self, owner: str) -> None:
        self._owner = owner

    def __getattr__(self, name: str) -> NoReturn:
        raise UnsupportedError(
            f"WebKitGTK, driven by WebDriver, has no {self._owner}.{name}: run this test in Chromium, in"
            " Firefox, or in Playwright's own WebKit (`playwright install webkit`)"
        )


def refuse_options(method: str, names: Iterable[str]) -> None:
    """Raise UnsupportedError if there is any name of an option."""
    for name in names:
        raise UnsupportedError(f"WebKitGTK, driven by WebDriver, does not support {method}({name}=…)")
