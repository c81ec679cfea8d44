"""Acceptance bounds for cases that count random events."""

from __future__ import annotations

from math import comb


def compute_acceptance_interval(samples: int, probability: float, false_alarm: float) -> tuple[int, int]:
    """Return the fewest and most successes to accept in `samples` independent trials of `probability`.

    A correct implementation falls outside with a probability of at most `false_alarm`, half of it on either
    side (exact binomial tails).
    """
    mass = [
        comb(samples, hits) * probability**hits * (1 - probability) ** (samples - hits)
        for hits in range(samples + 1)
    ]
    least, below = 0, mass[0]
    while below <= false_alarm / 2:
        least += 1
        below += mass[least]
    most, above = samples, mass[samples]
    while above <= false_alarm / 2:
        most -= 1
        above += mass[most]
    return least, most
