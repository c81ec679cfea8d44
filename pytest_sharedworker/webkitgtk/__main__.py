"""Start WebKitGTK once and print its version: ``python -m pytest_sharedworker.webkitgtk DRIVER``."""

from __future__ import annotations

import sys

from playwright.sync_api import Error as PlaywrightError

from pytest_sharedworker.errors import SharedWorkerError
from pytest_sharedworker.webkitgtk.browser import WebKitGtkBrowserType


def main() -> int:
    """Print the version of the browser behind the driver; the exit status is 1 if it does not start."""
    try:
        browser = WebKitGtkBrowserType().launch(executable_path=sys.argv[1])
        try:
            browser.new_page()
            print("WebKitGTK", browser.version)
        finally:
            browser.close()
    except (PlaywrightError, SharedWorkerError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
