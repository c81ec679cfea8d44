"""The options of the conformance suite, and pytest's hooks that call its engine."""

from __future__ import annotations

from typing import Any

import pytest

from e2e.call_stacks import install_quick_stacks
from e2e.conformance import selection
from e2e.conformance.report import plugin as report
from e2e.worker.driver.environments import add_plain_host


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the conformance suite."""
    selection.add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Install the report, and make Playwright's calls quick."""
    report.install(config)
    install_quick_stacks()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every case on every selected implementation."""
    selection.parametrize_targets(metafunc)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Select the cases that the command line names."""
    selection.select_cases(config, items)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any], browser_name: str) -> dict[str, Any]:
    """Give the browser a host name of this machine that is not localhost."""
    return add_plain_host(browser_type_launch_args, browser_name)
