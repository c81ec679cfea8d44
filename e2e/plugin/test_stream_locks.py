"""The body of a response on virtual time is locked, used and free again when it is in the browser alone."""

from __future__ import annotations

import pytest

from e2e.plugin.app import App, require_iteration
from pytest_sharedworker import SharedWorker

USES = {
    "loop that gives the body back": """
        let size = 0;
        for await (const chunk of body.values({ preventCancel: true })) { size += chunk.length; break; }
        const { locked } = body;
        for await (const chunk of body) size += chunk.length;
        return [locked, size];
    """,
    "loop that ends early": """
        for await (const chunk of body) break;
        return [body.locked, (await body.getReader().read()).done];
    """,
    "pipe": """
        const piped = body.pipeTo(new WritableStream());
        const before = [body.locked, response.bodyUsed];
        await piped;
        return [...before, body.locked];
    """,
    "pipe through a transform": """
        const piped = body.pipeThrough(new TextDecoderStream());
        const before = [body.locked, response.bodyUsed];
        let size = 0;
        for await (const text of piped) size += text.length;
        return [...before, size, body.locked];
    """,
    "aborted pipe that gives the body back": """
        const controller = new AbortController();
        const write = () => { controller.abort(); };
        const options = { preventCancel: true, signal: controller.signal };
        const name = await body.pipeTo(new WritableStream({ write }), options).catch(({ name }) => name);
        return [name, body.locked, typeof (await body.getReader().read()).done];
    """,
    "pipe that is aborted already": """
        const ends = [];
        const makeOptions = (options) => ({ signal: AbortSignal.abort(), ...options });
        for (const options of [{ preventCancel: true, preventAbort: true }, { preventCancel: true }, {}]) {
            const piped = body.pipeTo(new WritableStream(), makeOptions(options));
            ends.push(body.locked, await piped.catch(({ name }) => name), body.locked, response.bodyUsed);
        }
        return [...ends, (await body.getReader().read()).done];
    """,
    "pipe to nothing": """
        const names = [];
        for (const call of [() => body.pipeThrough({}), () => body.pipeThrough(), () => body.pipeTo({})]) {
            try { await call(); } catch ({ name }) { names.push(name); }
        }
        return [...names, body.locked, response.bodyUsed, (await response.text()).length];
    """,
    "pipe to a locked stream": """
        const transform = new TransformStream();
        transform.writable.getWriter();
        const names = [await body.pipeTo(transform.writable).catch(({ name }) => name)];
        try { body.pipeThrough(transform); } catch ({ name }) { names.push(name); }
        return [...names, body.locked, (await response.text()).length];
    """,
    "pipe into a stream that fails": """
        const write = () => { throw new RangeError("full"); };
        const name = await body.pipeTo(new WritableStream({ write })).catch(({ name }) => name);
        return [name, body.locked, (await body.getReader().read()).done];
    """,
    "pipe that does not close": """
        let closed = 0;
        const stream = new WritableStream({ close: () => { closed += 1; } });
        await body.pipeTo(stream, { preventClose: true });
        return [closed, stream.locked, body.locked];
    """,
    "branches": """
        const branches = body.tee();
        const texts = await Promise.all(branches.map((branch) => new Response(branch).text()));
        return [body.locked, response.bodyUsed, ...texts.map(({ length }) => length)];
    """,
}


@pytest.mark.parametrize("title", USES)
def test_body_is_locked_and_free_as_in_real_time(app: App, worker: SharedWorker, title: str) -> None:
    require_iteration(worker)
    app.gateway.serve("/data", "x" * 1_000_000, content_type="text/plain")
    script = (
        f"async () => {{ const response = await fetch('/data'); const {{ body }} = response; {USES[title]} }}"
    )
    native = app.context.pages[0].evaluate(script)
    assert worker.evaluate(script) == native
