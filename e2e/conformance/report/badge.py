"""A run in a few words and a color, for a badge and for the heading of a summary."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from e2e.conformance.case import Level, Verdict
from e2e.conformance.report.results import Results

LABEL = "conformance"


class Color(Enum):
    """A color: the value is its name at shields.io, `hex_code` what white text is legible on."""

    GREEN = "brightgreen"
    ORANGE = "orange"
    RED = "red"
    GREY = "lightgrey"

    @property
    def hex_code(self) -> str:
        """The color in SVG."""
        return {"brightgreen": "#1a7f37", "orange": "#9a5b00", "red": "#b3261e", "lightgrey": "#57606a"}[
            self.value
        ]


@dataclass(frozen=True)
class Badge:
    """The right half of a badge; the left one is LABEL."""

    message: str
    color: Color


def build_badge(results: Results) -> Badge:
    """Return how many of the MUSTs that apply hold, on all implementations; green for a successful run."""
    undecided = (Verdict.UNIMPLEMENTED, Verdict.INCONCLUSIVE)
    if not any(result.verdict not in undecided for result in results):
        return Badge("no verdict", Color.GREY)
    musts = [
        result
        for result in results
        if result.level is Level.MUST and result.verdict is not Verdict.UNIMPLEMENTED
    ]
    held = sum(result.verdict is Verdict.OK for result in musts)
    # A case that could not be run fails whatever its level is.
    others = sum(result.fails_run for result in results if result.level is not Level.MUST)
    stale = sum(result.stale_deviation for result in results)
    parts = [f"{held} of {len(musts)} MUST"] if musts else []
    parts += [f"{others} other failed"] if others else []
    parts += [f"{stale} stale"] if stale else []
    parts += ["incomplete"] if results.problems else []
    if held < len(musts) or others:
        color = Color.RED
    else:
        color = Color.GREEN if results.successful else Color.ORANGE
    return Badge(", ".join(parts) or "no MUST", color)
