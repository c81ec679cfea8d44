"""The server's demo page: open it, click on it, and read the records of its clicks."""

from __future__ import annotations

from playwright.sync_api import BrowserContext, Page

from pytest_sharedworker.gateway.gateway import Gateway

POST = "POST **/ui-telemetry"
CONNECTED = "connected to the shared worker"


def open_page(gateway: Gateway, context: BrowserContext) -> Page:
    """Return the demo page in a new tab."""
    page = context.new_page()
    page.goto(gateway.url)
    return page


def click(page: Page, name: str = "Search") -> None:
    """Click the button of this name, which logs one event."""
    page.get_by_role("button", name=name).click()


def get_components(gateway: Gateway) -> list[str]:
    """Return the component ids of all posted records, sorted."""
    posts = gateway.journal.select(POST)
    return sorted(record["params"]["componentId"] for post in posts for record in post.json()["records"])
