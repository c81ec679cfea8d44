"""The report formats. A module here that defines FORMAT is a format; nothing else names it."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from e2e.conformance.report.report_format import ReportFormat

FORMATS: tuple[ReportFormat, ...] = tuple(
    import_module(f"{__name__}.{module.name}").FORMAT for module in iter_modules(__path__)
)
"""All formats, by the names of their modules."""
