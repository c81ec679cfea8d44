"""Fixtures of these tests: the npm packages, and no server behind the gateway."""

from pathlib import Path

import pytest

from e2e.programs.packages import install


@pytest.fixture(scope="session")
def packages() -> Path:
    """Return `node_modules` with the packages."""
    return install()


@pytest.fixture
def gateway_upstream() -> str | None:
    """Return no upstream: the gateway serves what a test registers."""
    return None
