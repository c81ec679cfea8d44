"""Virtual time and private files: the clock waits while the browser writes what a pipe delivers."""

from __future__ import annotations

import pytest

from e2e.plugin.app import App, read_log
from pytest_sharedworker import Clock, SharedWorker

SIZE = 20_000_000

FILE_SOURCES = {
    "response": "(await fetch('/data')).body",
    "blob": "new Blob([await (await fetch('/data')).blob()]).stream()",
    "packed": "(await fetch('/data')).body.pipeThrough(new CompressionStream('gzip'))"
    ".pipeThrough(new DecompressionStream('gzip'))",
    "script": "(await fetch('/data')).body.pipeThrough(new TransformStream())",
}


@pytest.mark.parametrize("source", FILE_SOURCES)
def test_clock_waits_for_a_pipe_into_a_file(
    app: App, worker: SharedWorker, clock: Clock, source: str
) -> None:
    if not worker.evaluate("'storage' in navigator"):
        pytest.skip("WebKitGTK has no private files")
    app.gateway.serve("/data", b"x" * SIZE, content_type="application/octet-stream")
    worker.evaluate(f"""() => {{
        setTimeout(async () => {{
            const root = await navigator.storage.getDirectory();
            const file = await root.getFileHandle("file", {{ create: true }});
            const stream = {FILE_SOURCES[source]};
            await stream.pipeTo(await file.createWritable());
            note((await file.getFile()).size);
        }}, 1000);
        setInterval(() => {{}}, 1);
    }}""")
    clock.run_for(2_000)
    assert worker.errors() == []
    assert read_log(worker) == [[SIZE, 1_000]]
    assert clock.state()["pending"] == []


def test_pipe_of_a_timer_into_a_file_does_not_stop_the_clock(worker: SharedWorker, clock: Clock) -> None:
    if not worker.evaluate("'storage' in navigator"):
        pytest.skip("WebKitGTK has no private files")
    worker.evaluate("""async () => {
        const root = await navigator.storage.getDirectory();
        const file = await root.getFileHandle("file", { create: true });
        const writable = await file.createWritable();
        let count = 0;
        const pull = (controller) => new Promise((resolve) => {
            setTimeout(() => {
                count += 1;
                if (count === 5) controller.close(); else controller.enqueue("x");
                resolve();
            }, 1000);
        });
        new ReadableStream({ pull }, { highWaterMark: 0 }).pipeTo(writable).then(() => note(count));
    }""")
    clock.run_for(60_000)
    assert read_log(worker) == [[5, 5_000]]
