"""The worker as an npm package in an app: type-checked, built by Vite and by webpack, run in browsers.

The app is the one of docs/worker.md, in an empty folder, with the packed tarball; docs/how-to/vite.md tests
it in Vite's development server. Not covered: older bundlers. `unit/worker/test_package.py` checks options and
package content.
"""

from __future__ import annotations

import re
import shutil
import sys
from contextlib import closing
from pathlib import Path
from socket import create_server

import pytest
from playwright.sync_api import BrowserContext, Page

from e2e.client.npm_app import create_app, pack, read_blocks, run
from e2e.conformance.paths import CHECKOUT
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.workers.shared_workers import SharedWorkers
from reference_server.api.telemetry import ENDPOINT

pytestmark = pytest.mark.usefixtures("worker_clock")

POST = "POST **/api/telemetry"
FLUSH_INTERVAL_MS = 10_000
INSTALL_TIMEOUT_SECONDS = 400


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the app, with everything installed."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed: it comes with Node.js")
    folder = tmp_path_factory.mktemp("app")
    create_app(folder, pack(tmp_path_factory.mktemp("package")))
    return folder


@pytest.fixture(scope="module")
def vite_build(app: Path) -> Path:
    run("npx", "vite", "build", cwd=app)
    return app / "dist-vite"


@pytest.fixture(scope="module")
def webpack_build(app: Path) -> Path:
    run("npx", "webpack", cwd=app)
    return app / "dist"


def open_tab(gateway: Gateway, context: BrowserContext, page: str, component: str) -> Page:
    """Open the app in a new tab, which logs an event of this component, and wait for its worker."""
    tab = context.new_page()
    tab.goto(f"{gateway.url}/{page}#{component}")
    tab.wait_for_function("telemetry.state() === 'worker'")
    return tab


def check_tabs_share_a_worker(
    gateway: Gateway, shared_workers: SharedWorkers, context: BrowserContext, build: Path, page: str
) -> None:
    gateway.serve_directory("/", build)
    gateway.rewrite("/api/telemetry", ENDPOINT)
    for component in ("first", "second"):
        open_tab(gateway, context, page, component)
    assert len(shared_workers.history) == 1
    shared_workers.clock.run_for(FLUSH_INTERVAL_MS - 1)
    assert not gateway.journal.select(POST)
    shared_workers.clock.run_for(1)
    (post,) = gateway.journal.select(POST)
    records = post.json()["records"]
    assert sorted(record["params"]["componentId"] for record in records) == ["first", "second"]
    assert post.status == 200


@pytest.mark.timeout(INSTALL_TIMEOUT_SECONDS)
def test_app_is_clean_under_strict_typescript(app: Path) -> None:
    assert run("npx", "tsc", "--noEmit", "--strict", cwd=app) == ""


@pytest.mark.timeout(INSTALL_TIMEOUT_SECONDS)
@pytest.mark.parametrize("page", ["factory.html", "url.html"])
def test_tabs_of_a_vite_build_share_a_worker(
    gateway: Gateway, shared_workers: SharedWorkers, context: BrowserContext, vite_build: Path, page: str
) -> None:
    check_tabs_share_a_worker(gateway, shared_workers, context, vite_build, page)


@pytest.mark.timeout(INSTALL_TIMEOUT_SECONDS)
def test_tabs_of_a_webpack_build_share_a_worker(
    gateway: Gateway, shared_workers: SharedWorkers, context: BrowserContext, webpack_build: Path
) -> None:
    check_tabs_share_a_worker(gateway, shared_workers, context, webpack_build, "index.html")


@pytest.mark.timeout(INSTALL_TIMEOUT_SECONDS)
def test_how_to_page_of_vite_passes_in_the_development_server(
    app: Path, browser_name: str, tmp_path: Path
) -> None:
    if browser_name != "chromium":
        pytest.skip("the page starts its own Chromium; it runs once, with --browser chromium")
    text = (CHECKOUT / "docs" / "how-to" / "vite.md").read_text(encoding="utf-8")
    conftest, test = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    with closing(create_server(("127.0.0.1", 0))) as probe:
        port = str(probe.getsockname()[1])
    shutil.copy(app / "factory.html", tmp_path / "index.html")
    shutil.copytree(app / "src", tmp_path / "src")
    (tmp_path / "vite.config.js").write_text(read_blocks()["vite.config.js"], encoding="utf-8")
    (tmp_path / "node_modules").symlink_to(app / "node_modules")
    (tmp_path / "conftest.py").write_text(conftest.replace('"5174"', repr(port)), encoding="utf-8")
    (tmp_path / "test_page.py").write_text(test, encoding="utf-8")
    output = run(
        sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--installed-browser", cwd=tmp_path
    )
    assert "1 passed" in output


@pytest.mark.timeout(INSTALL_TIMEOUT_SECONDS)
def test_client_of_a_page_with_an_opaque_origin_is_off(
    gateway: Gateway, context: BrowserContext, webpack_build: Path
) -> None:
    gateway.serve_file("/main.js", webpack_build / "main.js")
    gateway.serve(
        "/sandboxed.html",
        "<!doctype html><title>app</title><link rel=icon href=data:,><script src=main.js></script>",
        content_type="text/html",
        headers={"Content-Security-Policy": "sandbox allow-scripts"},
    )
    tab = context.new_page()
    errors: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.goto(gateway.url + "/sandboxed.html#frame")
    assert tab.evaluate("[origin, telemetry.state(), telemetry.logEvent({})]") == ["null", "off", False]
    assert not errors
