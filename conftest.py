"""Command-line options, and the fixtures that tie the rooms together."""

from __future__ import annotations

from typing import Any

import pytest

from e2e import selection
from e2e.report import plugin as report
from pytest_sharedworker.browsers import launch_arguments


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


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any], browser_name: str) -> dict[str, Any]:
    """How this machine's browser is started; pytest-playwright's own options come on top."""
    return {**launch_arguments(browser_name), **browser_type_launch_args}
