"""The words in which a case that holds says what it saw."""

from __future__ import annotations


class Observed:
    """What a case saw: `observed("3 records in 1 POST")`; the account behind it: `observed.details(text)`.

    Both may be called several times, also by fixtures while they end; what is said is kept in order.
    """

    def __init__(self) -> None:
        self._actual: list[str] = []
        self._details: list[str] = []

    def __call__(self, actual: str) -> None:
        """Add what was seen, in a few words; the report shows it where the case holds."""
        self._actual.append(actual)

    def details(self, text: str) -> None:
        """Add plain text of any length, such as an accounting or the tail of a journal."""
        self._details.append(text)

    @property
    def actual_text(self) -> str | None:
        """What was seen, or None where nothing was said."""
        return "; ".join(self._actual) or None

    @property
    def details_text(self) -> str | None:
        """The details, a blank line between them, or None where there are none."""
        return "\n\n".join(self._details) or None
