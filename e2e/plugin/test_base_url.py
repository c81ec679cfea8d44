"""The gateway is the base URL of contexts in tests that use it, unless the project sets another one.

The last tests run small projects whose conftest.py overrides pytest-playwright's fixture.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page

from pytest_sharedworker import Gateway, PersistentBrowser, SharedWorkers

pytest_plugins = ["pytester"]

OTHER_ORIGIN = "http://other.example"

OPEN_PAGE = """
import pytest

def open_page(page, gateway):
    page.route("http://other.example/**", lambda route: route.fulfill(body="other"))
    gateway.serve("/page.html", "gateway")
    page.goto("/page.html")
    return page.inner_text("body")
"""


@pytest.fixture(autouse=True)
def served_page(gateway: Gateway) -> None:
    """Serve a page on the gateway."""
    gateway.serve("/page.html", "<!doctype html><title>served</title>")


def test_page_opens_a_path_of_the_gateway(page: Page, gateway: Gateway) -> None:
    page.goto("/page.html")
    assert page.url == f"{gateway.url}/page.html"
    assert page.title() == "served"


def test_gateway_of_another_fixture_is_the_base_url(page: Page, shared_workers: SharedWorkers) -> None:
    page.goto("/page.html")
    assert page.title() == "served"


def test_new_context_opens_a_path_of_the_gateway(new_context: Callable[..., BrowserContext]) -> None:
    page = new_context().new_page()
    page.goto("/page.html")
    assert page.title() == "served"


def test_argument_of_new_context_overrides_the_gateway(
    new_context: Callable[..., BrowserContext],
) -> None:
    page = new_context(base_url=OTHER_ORIGIN).new_page()
    page.route(f"{OTHER_ORIGIN}/**", lambda route: route.fulfill(body="other"))
    page.goto("/page.html")
    assert page.url == f"{OTHER_ORIGIN}/page.html"


@pytest.mark.browser_context_args(base_url=OTHER_ORIGIN)
def test_marker_overrides_the_gateway(page: Page) -> None:
    page.route(f"{OTHER_ORIGIN}/**", lambda route: route.fulfill(body="other"))
    page.goto("/page.html")
    assert page.url == f"{OTHER_ORIGIN}/page.html"


def test_persistent_browser_opens_a_path_of_the_gateway(persistent_browser: PersistentBrowser) -> None:
    page = persistent_browser.context.new_page()
    page.goto("/page.html")
    assert page.title() == "served"


def run(pytester: pytest.Pytester, browser_name: str, *options: str) -> None:
    """Run the project's one test, and check that it passes."""
    pytester.makeini("[pytest]\naddopts = -p no:cacheprovider -p no:asyncio\n")
    result = pytester.runpytest_subprocess(
        "--installed-browser", "--browser", browser_name, *options, timeout=60
    )
    result.assert_outcomes(passed=1)


@pytest.mark.usefixtures("needs_page_route")
def test_session_override_keeps_the_gateway(pytester: pytest.Pytester, browser_name: str) -> None:
    pytester.makeconftest("""
        import pytest

        @pytest.fixture(scope="session")
        def browser_context_args(browser_context_args):
            return {**browser_context_args, "viewport": {"width": 432, "height": 321}}
    """)
    pytester.makepyfile(
        OPEN_PAGE
        + """
def test_page(page, gateway):
    assert open_page(page, gateway) == "gateway"
    assert page.evaluate("innerWidth") == 432
"""
    )
    run(pytester, browser_name)


@pytest.mark.usefixtures("needs_page_route")
def test_session_override_with_base_url_wins(pytester: pytest.Pytester, browser_name: str) -> None:
    pytester.makeconftest(f"""
        import pytest

        @pytest.fixture(scope="session")
        def browser_context_args(browser_context_args):
            return {{**browser_context_args, "base_url": "{OTHER_ORIGIN}"}}
    """)
    pytester.makepyfile(
        OPEN_PAGE
        + """
def test_page(page, gateway):
    assert open_page(page, gateway) == "other"
"""
    )
    run(pytester, browser_name)


@pytest.mark.usefixtures("needs_page_route")
def test_option_base_url_wins(pytester: pytest.Pytester, browser_name: str) -> None:
    pytester.makepyfile(
        OPEN_PAGE
        + """
def test_page(page, gateway):
    assert open_page(page, gateway) == "other"
"""
    )
    run(pytester, browser_name, "--base-url", OTHER_ORIGIN)
