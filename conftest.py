"""Command-line options, and the hooks that tie the rooms together."""

from __future__ import annotations

import pytest

from e2e import selection
from e2e.report import plugin as report


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the conformance suite."""
    selection.add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Set up the report."""
    report.install(config)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every case on every implementation that was asked for."""
    selection.generate(metafunc)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Pick the cases that were asked for."""
    selection.select(config, items)
