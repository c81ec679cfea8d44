"""Plots as SVG files in `docs/benchmarks/`, without scripts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pygal
from pygal.style import Style

from bench.report import CHECKOUT

PLOTS = CHECKOUT / "docs" / "benchmarks"
# Readable on white and on black pages: the plot has its own background.
STYLE = Style(
    background="white",
    plot_background="white",
    font_family="sans-serif",
    label_font_size=14,
    major_label_font_size=14,
    title_font_size=18,
    value_font_size=14,
    legend_font_size=14,
    colors=("#1f6feb", "#8c959f", "#d1242f"),
)
SIZE = {"width": 800, "height": 420}


@dataclass(frozen=True)
class Line:
    """A named line through points."""

    name: str
    points: Sequence[tuple[float, float]]


def plot_lines(name: str, x_title: str, y_title: str, lines: Sequence[Line]) -> Path:
    """Plot lines, from zero, and return the file's path."""
    chart = pygal.XY(x_title=x_title, y_title=y_title, include_x_axis=True, **_options())
    for line in lines:
        chart.add(line.name, [(0, None), *line.points])
    return _write(chart, name)


def plot_bars(name: str, title: str, values: Sequence[tuple[str, float]]) -> Path:
    """Plot horizontal bars on a logarithmic scale, the first on top, and return the file's path."""
    options = {**_options(), "show_legend": False, "print_values": True, "logarithmic": True}
    options |= {"show_x_labels": False, "show_x_guides": False}  # the bars carry their values
    chart = pygal.HorizontalBar(title=title, value_formatter=lambda value: f"{value:,.1f}", **options)
    # The chart draws from the bottom up.
    ordered = list(reversed(values))
    chart.x_labels = [label for label, _ in ordered]
    chart.add(title, [value for _, value in ordered])
    return _write(chart, name)


def _options() -> dict[str, object]:
    return {"style": STYLE, "js": [], "disable_xml_declaration": False, **SIZE}


def _write(chart: pygal.graph.graph.Graph, name: str) -> Path:
    PLOTS.mkdir(parents=True, exist_ok=True)
    path = PLOTS / f"{name}.svg"
    # Without the id that pygal draws for each chart, a file changes only with its values.
    chart.uuid = name
    drawing = chart.render_tree()
    for parent in list(drawing.iter()):
        for script in [child for child in parent if str(child.tag).endswith("script")]:
            parent.remove(script)
    path.write_bytes(ElementTree.tostring(drawing, "utf-8"))
    return path
