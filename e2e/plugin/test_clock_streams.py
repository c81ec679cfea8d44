"""Virtual time, promises and streams of the browser: the clock waits until they settle or deliver.

The clock no longer waits for a stream that has delivered nothing for a second of real time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web

from e2e.plugin.app import App, read_log, require_iteration, wait_for_console
from pytest_sharedworker import Clock, SharedWorker
from pytest_sharedworker.integration.event_loop_thread import LoopThread

SIZE = 1_000_000

# --- promises -------------------------------------------------------------------------------------

PROMISES = {
    "Blob": "(await new Blob(['x'.repeat(1e6)]).text()).length",
    "Cache": """await (async () => {
        const cache = await caches.open("stored");
        await cache.put("/stored", new Response("stored"));
        return (await (await caches.match("/stored")).text()).length;
    })()""",
    "FileReader": """(await new Promise((resolve) => {
        const reader = new FileReader();
        reader.onload = () => resolve(reader.result);
        reader.readAsText(new Blob(["x".repeat(1e6)]));
    })).length""",
    "FileReader, binary": """(await new Promise((resolve) => {
        const reader = new FileReader();
        reader.onload = () => resolve(reader.result);
        reader.readAsBinaryString(new Blob([new Uint8Array(2e7)]));
    })).length""",
    "OffscreenCanvas": """await (async () => {
        const canvas = new OffscreenCanvas(2000, 2000);
        canvas.getContext("2d").fillRect(0, 0, 9, 9);
        return (await canvas.convertToBlob()).size;
    })()""",
    "Response": "(await new Response(new Blob(['x'.repeat(1e6)])).text()).length",
    "SubtleCrypto": "(await crypto.subtle.digest('SHA-256', new Uint8Array(1e7))).byteLength",
    "WebAssembly": "(await WebAssembly.compile(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]))) ? 1 : 0",
    "private files": """await (async () => {
        const root = await navigator.storage.getDirectory();
        const file = await root.getFileHandle("stored", { create: true });
        const writable = await file.createWritable();
        await writable.write("stored");
        await writable.close();
        return (await file.getFile()).size;
    })()""",
    "private file's writer": """await (async () => {
        const root = await navigator.storage.getDirectory();
        const file = await root.getFileHandle("stored", { create: true });
        const writer = (await file.createWritable()).getWriter();
        await writer.write(new Uint8Array(1e6));
        await writer.close();
        return (await file.getFile()).size;
    })()""",
    "private folder": """await (async () => {
        const root = await navigator.storage.getDirectory();
        for (let number = 0; number < 30; number++) await root.getFileHandle(`f${number}`, { create: true });
        let count = 0;
        for await (const [name] of root) count += name.length;
        for await (const name of root.keys()) count += name.length;
        for await (const { name } of root.values()) count += name.length;
        return count;
    })()""",
    "storage buckets": """await (async () => {
        const bucket = await navigator.storageBuckets.open("bucket");
        return (await bucket.estimate()).quota + (await navigator.storageBuckets.keys()).length;
    })()""",
}
NEEDS = {
    "private files": "storage",  # WebKitGTK has none.
    "private file's writer": "storage",
    "private folder": "storage",
    "storage buckets": "storageBuckets",
}


def read_new_log(worker: SharedWorker, begin_ms: float) -> list[Any]:
    """Return what the worker has logged since the last call, each with its time after `begin_ms`."""
    return [[value, time - begin_ms] for value, time in worker.evaluate("() => log.splice(0)")]


def test_clock_waits_for_promises_of_the_browser(worker: SharedWorker, clock: Clock) -> None:
    for title, promise in PROMISES.items():
        if title in NEEDS and not worker.evaluate(f"'{NEEDS[title]}' in navigator"):
            continue
        begin_ms = clock.now
        worker.evaluate(f"""() => {{
            setTimeout(async () => {{ for (let count = 0; count < 3; count++) note({promise}); }}, 1000);
            setTimeout(note, 1001, "after");
        }}""")
        clock.run_for(2_000)
        assert worker.errors() == [], title
        *values, last = read_new_log(worker, begin_ms)
        assert [time for _, time in values] == [1_000] * 3, title
        assert all(value for value, _ in values), title
        assert last == ["after", 1_001], title


FILLED_LATER = {
    "abort of a script's stream": "new WritableStream({ abort: later }).abort()",
    "close of a script's stream": "new WritableStream({ close: later }).close()",
    "Cache": "(await caches.open('later')).put('/later', new Response(stream))",
    "Request": """(() => {
        const request = new Request("/", { method: "POST", body: stream, duplex: "half" });
        return request.body ? request.text() : later(); /* Firefox has no such bodies. */
    })()""",
    "WebAssembly": """WebAssembly.compileStreaming(
        new Response(stream, { headers: { "Content-Type": "application/wasm" } })
    ).catch(() => {})""",
}


@pytest.mark.parametrize("title", FILLED_LATER)
def test_promise_that_waits_for_a_timer_does_not_stop_the_clock(
    worker: SharedWorker, clock: Clock, title: str
) -> None:
    worker.evaluate(f"""() => {{
        const later = () => new Promise((resolve) => {{ setTimeout(resolve, 1000); }});
        const stream = new ReadableStream({{ pull: (controller) => later().then(() => controller.close()) }});
        (async () => {{ await {FILLED_LATER[title]}; note("ended"); }})();
    }}""")
    clock.run_for(1_000, timeout=60_000)
    # Time has given the promise up, and does not wait for its end either.
    worker.wait_for_function("log.length === 1")
    assert read_log(worker) == [["ended", 1_000]]


# --- streams --------------------------------------------------------------------------------------

READERS = {
    "reader": """
        const reader = stream.getReader();
        for (;;) {
            const { done, value } = await reader.read();
            if (done) break;
            size += value.length;
        }
    """,
    "byte reader": """
        const reader = stream.getReader({ mode: "byob" });
        for (;;) {
            const { done, value } = await reader.read(new Uint8Array(65536));
            if (done) break;
            size += value.length;
        }
    """,
    "loop": "for await (const chunk of stream) size += chunk.length;",
    "pipe": "await stream.pipeTo(new WritableStream({ write: (chunk) => { size += chunk.length; } }));",
    "branches": """
        const branches = stream.tee();
        await Promise.all(branches.map(async (branch) => {
            for await (const chunk of branch) size += chunk.length / 2;
        }));
    """,
    "byte branch": """
        const [branch, other] = stream.tee();
        other.cancel();
        const reader = branch.getReader({ mode: "byob" });
        for (;;) {
            const { done, value } = await reader.read(new Uint8Array(65536));
            if (done) break;
            size += value.length;
        }
    """,
    "compression": """
        const packed = await new Response(stream.pipeThrough(new CompressionStream("gzip"))).blob();
        const unpacked = packed.stream().pipeThrough(new DecompressionStream("gzip"));
        for await (const chunk of unpacked) size += chunk.length;
    """,
}
SOURCES = {
    "response": "(await fetch('/data')).body",
    "blob": "new Blob(['x'.repeat(1e6)]).stream()",
}


def list_readers(worker: SharedWorker) -> dict[str, str]:
    """Return the READERS that the browser has: WebKit's streams have no iteration and are no byte streams."""
    has_iteration = worker.evaluate("Symbol.asyncIterator in ReadableStream.prototype")
    has_bytes = worker.evaluate("'ReadableByteStreamController' in self")
    return {
        title: reader
        for title, reader in READERS.items()
        if (has_iteration or "for await" not in reader) and (has_bytes or not title.startswith("byte"))
    }


@pytest.mark.parametrize("source", SOURCES)
def test_clock_waits_for_the_chunks_of_a_stream(
    app: App, worker: SharedWorker, clock: Clock, source: str
) -> None:
    app.gateway.serve("/data", "x" * SIZE, content_type="text/plain")
    for title, reader in list_readers(worker).items():
        begin_ms = clock.now
        worker.evaluate(f"""() => {{
            setTimeout(async () => {{
                const stream = {SOURCES[source]};
                let size = 0;
                {reader}
                note(size);
            }}, 1000);
            setTimeout(note, 1001, "after");
        }}""")
        clock.run_for(2_000)
        assert worker.errors() == [], title
        assert read_new_log(worker, begin_ms) == [[SIZE, 1_000], ["after", 1_001]], title


def test_clock_waits_for_a_font(app: App, worker: SharedWorker, clock: Clock) -> None:
    worker.evaluate("""() => {
        const load = () => new FontFace("font", "url(/font.woff2)").load().catch(({ name }) => name);
        setTimeout(async () => note(await load()), 1000);
        setInterval(() => {}, 1);
    }""")
    app.gateway.serve("/font.woff2", "no font")
    clock.run_for(3_000)
    assert [time for _, time in read_log(worker)] == [1_000]


PACKED = "new Response(stream.pipeThrough(new CompressionStream('gzip')))"
SLOW_READINGS = {
    "own response": f"const stream = new Response(data).body; await {PACKED}.blob();",
    "blob": f"const stream = data.stream(); await {PACKED}.arrayBuffer();",
    "copy": f"const stream = data.stream(); await {PACKED}.clone().blob();",
}


@pytest.mark.parametrize("title", SLOW_READINGS)
def test_clock_waits_for_data_that_takes_long_to_compress(
    worker: SharedWorker, clock: Clock, title: str
) -> None:
    """A stream that a server fills stops time for a second at most; this one ends by itself."""
    worker.evaluate(f"""() => {{
        setTimeout(async () => {{
            const block = crypto.getRandomValues(new Uint8Array(1 << 16));
            const data = new Blob(Array.from({{ length: 1600 }}, () => block));
            {SLOW_READINGS[title]}
            note("compressed");
        }}, 1000);
        setTimeout(note, 1001, "after");
    }}""")
    clock.run_for(60_000)
    assert read_log(worker) == [["compressed", 1_000], ["after", 1_001]]


def test_unread_stream_does_not_stop_the_clock(app: App, worker: SharedWorker, clock: Clock) -> None:
    app.gateway.serve("/data", "x" * SIZE, content_type="text/plain")
    worker.evaluate("""() => {
        const piped = new Blob(["x".repeat(1e6)]).stream().pipeThrough(new CompressionStream("gzip"));
        fetch("/data").then(({ body }) => { self.stored = [body, piped]; });
        setTimeout(note, 3600000, "an hour");
    }""")
    clock.run_for(3_600_000)
    assert read_log(worker) == [["an hour", 3_600_000]]
    assert clock.state()["pending"] == []


def test_stream_filled_by_a_timer_follows_virtual_time(worker: SharedWorker, clock: Clock) -> None:
    require_iteration(worker)
    worker.evaluate("""async () => {
        const stream = new ReadableStream({
            start: (controller) => { setInterval(() => controller.enqueue(performance.now()), 1000); },
        });
        (async () => { for await (const time of stream) note(time); })();
    }""")
    clock.run_for(600_000)
    assert read_log(worker) == [[time, time] for time in range(1_000, 600_001, 1_000)]


def test_endless_stream_of_the_worker_does_not_stop_the_clock(worker: SharedWorker, clock: Clock) -> None:
    worker.evaluate("() => { new Response(new ReadableStream()).text(); setTimeout(note, 1000, 'timer'); }")
    clock.run_for(1_000)
    assert read_log(worker) == [["timer", 1_000]]
    assert clock.state()["pending"] == [{"what": "reading the response of the worker itself", "held": True}]


class OpenResponse:
    """A server whose response stays open and delivers a chunk when the test sends one."""

    def __init__(self) -> None:
        self._chunks: asyncio.Queue[str] = asyncio.Queue()
        self._runner: web.AppRunner | None = None

    async def start(self) -> str:
        app = web.Application()
        app.router.add_get("/", self._respond)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}/"

    async def send(self, chunk: str) -> None:
        await self._chunks.put(chunk)

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _respond(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Access-Control-Allow-Origin": "*"})
        await response.prepare(request)
        while True:
            await response.write((await self._chunks.get()).encode())


@pytest.fixture
def open_response(sharedworker_loop: LoopThread) -> Iterator[tuple[str, OpenResponse]]:
    server = OpenResponse()
    yield sharedworker_loop.run(server.start()), server
    sharedworker_loop.run(server.stop())


def test_idle_response_stream_does_not_stop_the_clock(
    worker: SharedWorker,
    clock: Clock,
    open_response: tuple[str, OpenResponse],
    sharedworker_loop: LoopThread,
) -> None:
    require_iteration(worker)
    url, server = open_response
    sharedworker_loop.run(server.send("first"))
    worker.evaluate(
        """(url) => {
            setTimeout(async () => {
                const { body } = await fetch(url);
                for await (const text of body.pipeThrough(new TextDecoderStream())) console.log(text);
            }, 1000);
        }""",
        url,
    )
    clock.run_for(3_600_000)
    assert wait_for_console(worker, "first").virtual_time == 1_000
    # Both ends of the pipe.
    assert clock.state()["pending"] == [{"what": "reading a stream", "held": True}] * 2
    sharedworker_loop.run(server.send("second"))
    assert wait_for_console(worker, "second").virtual_time == 3_600_000
