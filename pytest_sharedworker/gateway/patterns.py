"""Patterns: which requests a toxic, a route or a selection means."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from pytest_sharedworker.errors import SharedWorkerError


@dataclass(frozen=True)
class Pattern:
    """`"POST **/ui-telemetry"`, `"**/api/*"` or `"*"`: a method (optional) and a glob on the path.

    `*` and `**` both match any characters, slashes too; the query counts only where the glob has a `?`.
    """

    method: str | None
    glob: str

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Read a pattern; raises SharedWorkerError where there is none in `text`."""
        words = text.split()
        if not 1 <= len(words) <= 2:
            raise SharedWorkerError(
                f"{text!r} is no pattern: write a glob on the path, with a method before it if you like,"
                ' as in "POST **/api/*"'
            )
        return cls(words[0].upper() if len(words) == 2 else None, words[-1])

    def matches(self, method: str, path: str) -> bool:
        """Whether a request of this method and path (with or without query) is meant."""
        if self.method is not None and self.method != method:
            return False
        subject = path if "?" in self.glob else path.partition("?")[0]
        return fnmatchcase(subject, self.glob)
