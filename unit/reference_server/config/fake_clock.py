"""A clock that a test sets."""


class FakeClock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.seconds = 1_700_000_000.0

    def __call__(self) -> float:
        """Return the seconds that the test set."""
        return self.seconds
