"""badge.json: the badge as shields.io reads it from an endpoint (shields.io/badges/endpoint-badge)."""

from __future__ import annotations

import json

from e2e.conformance.report.badge import LABEL, build_badge
from e2e.conformance.report.report_format import FileFormat, ReportContext
from e2e.conformance.report.results import Results

BADGE_JSON_FILE = "badge.json"
SCHEMA_VERSION = 1
"""The version of shields.io's form."""


def build_badge_json(results: Results) -> str:
    """Return the file's text."""
    badge = build_badge(results)
    values = {
        "schemaVersion": SCHEMA_VERSION,
        "label": LABEL,
        "message": badge.message,
        "color": badge.color.value,
    }
    return json.dumps(values, indent=2) + "\n"


def _render(results: Results, context: ReportContext) -> str:
    return build_badge_json(results)


FORMAT = FileFormat("badge-json", BADGE_JSON_FILE, _render)
