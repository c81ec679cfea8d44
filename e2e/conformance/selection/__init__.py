"""Which targets and which cases a run is about: the command line, and what collection does with it.

The root conftest calls these functions from the pytest hooks of similar names.
"""

from __future__ import annotations

from e2e.conformance.selection.cases import is_selected, raise_forwarded_error, select_cases
from e2e.conformance.selection.options import add_options
from e2e.conformance.selection.targets import (
    get_column,
    get_target,
    get_targets,
    list_columns,
    parametrize_targets,
)

__all__ = [
    "add_options",
    "get_column",
    "get_target",
    "get_targets",
    "is_selected",
    "list_columns",
    "parametrize_targets",
    "raise_forwarded_error",
    "select_cases",
]
