"""Drive WebKitGTK by WebDriver, in the shape of Playwright's synchronous API.

For machines without Playwright's own WebKit. A browser context is a WebDriver session, a page is a window of
it. The classes derive from Playwright's, so that fixtures and type checkers take them for what they stand
for; what they do not override raises UnsupportedError with its name.
"""
