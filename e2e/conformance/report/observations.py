"""The words in which a case that holds says what it saw."""

from __future__ import annotations

from collections.abc import Callable

from e2e.conformance.report.timeline import Timeline


class Observations:
    """What a case saw: `observations("3 records in 1 POST")`, with `observations.details(text)` behind it.

    Both may be called several times, also by fixtures while they end; what is said is kept in order.
    """

    def __init__(self) -> None:
        self._actual: list[str] = []
        self._details: list[str] = []
        self.timeline: Timeline | None = None
        """What happened, once the case has ended."""
        self._make_timeline: Callable[[], Timeline] | None = None
        self._make_details: Callable[[], str] | None = None

    def __call__(self, actual: str) -> None:
        """Add what was seen, in a few words; the report shows it where the case holds."""
        self._actual.append(actual)

    def details(self, text: str) -> None:
        """Add plain text of any length, such as an accounting or the tail of a journal."""
        self._details.append(text)

    def at_end(self, *, timeline: Callable[[], Timeline], if_not_held: Callable[[], str]) -> None:
        """Say how to make the timeline, and the details of a case that does not hold, once it has ended.

        Both are called before any fixture ends.
        """
        self._make_timeline, self._make_details = timeline, if_not_held

    def end(self, *, held: bool) -> None:
        """Make what `at_end` ordered. What cannot be made must not cost the case its verdict."""
        try:
            if self._make_timeline is not None:
                self.timeline = self._make_timeline()
            if self._make_details is not None and not held:
                self.details(self._make_details())
        except Exception as error:  # Whatever it is: a browser that has died tells nothing more.
            self.details(f"What happened cannot be told: {error!r}")

    @property
    def actual_text(self) -> str | None:
        """What was seen, or None where nothing was said."""
        return "; ".join(self._actual) or None

    @property
    def details_text(self) -> str | None:
        """The details, a blank line between them, or None where there are none."""
        return "\n\n".join(self._details) or None
