"""Vite's development server: a page and a module worker in TypeScript, transformed at each request."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from e2e.programs.packages import start_node
from pytest_sharedworker import Clock, Gateway, SharedWorkers

FILES = {
    "index.html": '<!doctype html><title>app</title><script type="module" src="/main.ts"></script>',
    "main.ts": """
        const worker = new SharedWorker(new URL("./worker.ts", import.meta.url), { type: "module" });
        worker.port.onmessage = ({ data }: MessageEvent<number>) => { document.title = `${data} ticks`; };
        document.addEventListener("click", () => worker.port.postMessage("how many?"));
    """,
    "worker.ts": """
        import { Counter } from "./counter.ts";
        const counter: Counter = new Counter(1_000);
        (self as any).counter = counter;
        (self as any).onconnect = ({ ports: [port] }: MessageEvent) => {
            port.onmessage = () => port.postMessage(counter.count);
        };
    """,
    "counter.ts": """
        export class Counter {
            count = 0;
            constructor(readonly intervalMs: number) { setInterval(() => { this.count += 1; }, intervalMs); }
        }
    """,
}


@pytest.fixture
def gateway_upstream(packages: Path, tmp_path: Path) -> Iterator[str]:
    """Return the development server."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "node_modules").symlink_to(packages, target_is_directory=True)
    vite = packages / "vite" / "bin" / "vite.js"
    with start_node(vite, "--host", "127.0.0.1", cwd=tmp_path, ready="127.0.0.1") as line:
        plain = re.sub(r"\x1b\[\d*m", "", line)
        yield plain.partition("Local:")[2].strip().rstrip("/")


def test_module_worker_runs_on_virtual_time(
    page: Page, gateway: Gateway, shared_workers: SharedWorkers, worker_clock: Clock
) -> None:
    page.goto("/")
    worker = shared_workers.wait_for("**/worker.ts**")
    worker_clock.run_for(60_000)
    assert worker.evaluate("counter.count") == 60
    page.evaluate("document.dispatchEvent(new Event('click'))")
    page.wait_for_function("document.title !== 'app'")
    assert page.title() == "60 ticks"
    assert worker.errors() == []
    assert [exchange.sender for exchange in gateway.journal.select("**/counter.ts")] == ["worker"]


def test_stack_names_lines_of_the_sources(
    page: Page, shared_workers: SharedWorkers, worker_clock: Clock
) -> None:
    page.goto("/")
    worker = shared_workers.wait_for("**/worker.ts**")
    worker.evaluate(
        "() => { Object.defineProperty(counter, 'count', { get() { throw new Error('broken'); } }); }"
    )
    worker_clock.run_for(1_000)
    (error,) = worker.errors()
    assert "/counter.ts:4:" in error.stack
