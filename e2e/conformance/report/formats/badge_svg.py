"""badge.svg: the badge as a picture of its own, without a service that draws it."""

from __future__ import annotations

from markupsafe import escape

from e2e.conformance.report.badge import LABEL, build_badge
from e2e.conformance.report.report_format import FileFormat, ReportContext
from e2e.conformance.report.results import Results

BADGE_SVG_FILE = "badge.svg"
CHARACTER_WIDTH = 6.6
"""Of an average character, in pixels; `textLength` fits the text of every font into it."""
PADDING = 8
LABEL_COLOR = "#3d444d"

_TEMPLATE = """\
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20"
 role="img" aria-label="{label}: {message}">
<title>{label}: {message}</title>
<clipPath id="r"><rect width="{width}" height="20" rx="3"/></clipPath>
<g clip-path="url(#r)">
<rect width="{left}" height="20" fill="{label_color}"/>
<rect x="{left}" width="{right}" height="20" fill="{color}"/>
</g>
<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">
<text x="{padding}" y="14" textLength="{label_length}">{label}</text>
<text x="{message_x}" y="14" textLength="{message_length}">{message}</text>
</g>
</svg>
"""


def build_badge_svg(results: Results) -> str:
    """Return the file's text."""
    badge = build_badge(results)
    label_length = round(len(LABEL) * CHARACTER_WIDTH)
    message_length = round(len(badge.message) * CHARACTER_WIDTH)
    left = label_length + 2 * PADDING
    right = message_length + 2 * PADDING
    return _TEMPLATE.format(
        width=left + right,
        left=left,
        right=right,
        padding=PADDING,
        message_x=left + PADDING,
        label_length=label_length,
        message_length=message_length,
        label=escape(LABEL),
        message=escape(badge.message),
        label_color=LABEL_COLOR,
        color=badge.color.hex_code,
    )


def _render(results: Results, context: ReportContext) -> str:
    return build_badge_svg(results)


FORMAT = FileFormat("badge-svg", BADGE_SVG_FILE, _render)
