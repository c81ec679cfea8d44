"""What a case saw, in its own words: the report shows it where the case passes."""

from __future__ import annotations

from collections.abc import Callable

from e2e.conformance.report.timeline import Timeline


class Observations:
    """What a case saw: `observations("3 records in 1 POST")`; `observations.details(text)` for long text.

    Both may be called several times, also by fixtures during teardown; the order of the calls is kept.
    """

    def __init__(self) -> None:
        self._actual: list[str] = []
        self._details: list[str] = []
        self.timeline: Timeline | None = None
        """What happened; set when the case has ended."""
        self._build_timeline: Callable[[], Timeline] | None = None
        self._build_details: Callable[[], str] | None = None

    def __call__(self, actual: str) -> None:
        """Add what was seen, in a few words; the report shows it where the case passes."""
        self._actual.append(actual)

    def details(self, text: str) -> None:
        """Add plain text of any length, such as an accounting or the tail of a journal."""
        self._details.append(text)

    def build_at_end(self, *, timeline: Callable[[], Timeline], details_if_failed: Callable[[], str]) -> None:
        """Call these functions when the case has ended, before the teardown of any fixture.

        `details_if_failed` is called only for a case that does not pass.
        """
        self._build_timeline, self._build_details = timeline, details_if_failed

    def finish(self, *, passed: bool) -> None:
        """Build the timeline and the details. An error here must not cost the case its verdict."""
        try:
            if self._build_timeline is not None:
                self.timeline = self._build_timeline()
            if self._build_details is not None and not passed:
                self.details(self._build_details())
        except Exception as error:  # any: a browser that has crashed fails in many ways
            self.details(f"The timeline is not available: {error!r}")

    @property
    def actual_text(self) -> str | None:
        """What was seen, or None without any observation."""
        return "; ".join(self._actual) or None

    @property
    def details_text(self) -> str | None:
        """The details, separated by blank lines, or None without any."""
        return "\n\n".join(self._details) or None
