"""The server's own page in a tab: opening it, clicking on it, and what its clicks became."""

from __future__ import annotations

from playwright.sync_api import BrowserContext, Page

from pytest_sharedworker.gateway.gateway import Gateway

POST = "POST */ui-telemetry"
CONNECTED = "connected to the shared worker"


def open_page(gateway: Gateway, context: BrowserContext) -> Page:
    """Open the page in a new tab."""
    page = context.new_page()
    page.goto(gateway.url)
    return page


def click(page: Page, name: str = "Search") -> None:
    """Click the button of this name: one event."""
    page.get_by_role("button", name=name).click()


def components(gateway: Gateway) -> list[str]:
    """The components of all records that were posted, sorted."""
    posts = gateway.journal.select(POST)
    return sorted(record["params"]["componentId"] for post in posts for record in post.json()["records"])
