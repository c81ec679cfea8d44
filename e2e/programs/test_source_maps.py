"""A worker in TypeScript, bundled and minified to one line: stacks and coverage are those of its sources."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page

from e2e.client.npm_app import run
from pytest_sharedworker import Gateway, SharedWorkers

pytest_plugins = ["pytester"]

WORKER = """\
import { Counter } from "./counter.ts";

const counter: Counter = new Counter();

(self as any).onconnect = ({ ports: [port] }: MessageEvent) => {
  port.onmessage = ({ data }: MessageEvent<number>) => port.postMessage(counter.add(data));
};
"""
COUNTER = """\
interface Limits {
  highest: number;
}

export class Counter {
  private sum = 0;
  private readonly limits: Limits = { highest: 10 };

  add(value: number): number {
    if (value > this.limits.highest) {
      this.sum = 0;
      throw new Error(`too large: ${value}`);
    }
    this.sum += value;
    return this.sum;
  }
}
"""
CONFIG = """
export default {
  build: {
    outDir: "js",
    rollupOptions: { input: "worker.ts", output: { entryFileNames: "worker.js" } },
    sourcemap: true,
  },
};
"""
PROJECT = """
def test_counter(gateway, shared_workers, page):
    gateway.serve("/", "<title>tab</title>", content_type="text/html")
    gateway.serve_directory("/js/", {folder!r})
    page.goto(gateway.url + "/")
    page.evaluate('''() => new Promise((resolve) => {{
        const {{ port }} = new SharedWorker("/js/worker.js", {{ type: "module" }});
        port.onmessage = resolve;
        port.postMessage(7);
    }})''')
"""


@pytest.fixture(scope="module")
def built(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder with the bundle and its map."""
    folder = tmp_path_factory.mktemp("bundle")
    for name, text in {"worker.ts": WORKER, "counter.ts": COUNTER, "vite.config.js": CONFIG}.items():
        (folder / name).write_text(text, encoding="utf-8")
    run("node", packages / "vite" / "bin" / "vite.js", "build", cwd=folder)
    assert len((folder / "js" / "worker.js").read_text(encoding="utf-8").splitlines()) <= 3
    return folder / "js"


def test_stack_names_lines_of_the_sources(
    page: Page, gateway: Gateway, shared_workers: SharedWorkers, built: Path
) -> None:
    gateway.serve("/", "<title>tab</title>", content_type="text/html")
    gateway.serve_directory("/js/", built)
    page.goto("/")
    page.evaluate("() => new SharedWorker('/js/worker.js', { type: 'module' }).port.postMessage(11)")
    worker = shared_workers.wait_for("/js/worker.js")
    worker.clock.settle()
    (error,) = worker.errors()
    assert f"{gateway.url}/counter.ts:12:" in error.stack
    assert f"{gateway.url}/worker.ts:6:" in error.stack
    assert "worker.js" not in error.stack
    assert not gateway.journal.select("**/*.map")


@pytest.mark.usefixtures("needs_devtools")
def test_coverage_counts_lines_of_the_sources(pytester: pytest.Pytester, built: Path) -> None:
    pytester.makeini("[pytest]\naddopts = -p no:cacheprovider -p no:asyncio --installed-browser\n")
    pytester.makepyfile(PROJECT.format(folder=str(built)))
    result = pytester.runpytest_subprocess("--worker-coverage", timeout=60)
    assert result.ret == 0
    rows = {line.split()[0]: line.split()[1:] for line in result.outlines if ".ts" in line}
    assert rows["counter.ts"][-1] == "11-12"
    assert rows["worker.ts"][2] == "100"
