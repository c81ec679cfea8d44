"""The browser reads each argument of a function once, and so it is with the plugin."""

from __future__ import annotations

import pytest

from e2e.plugin.app import App

COUNT_TEXTS = """async (call) => {
    let count = 0;
    const text = { toString: () => { count += 1; return call.url; } };
    await new Function("text", `return ${call.code};`)(text);
    return count;
}"""
"""Returns how often the text of an object is asked for."""
TEXTS = {
    "fetch": "fetch(text)",
    "XMLHttpRequest": "new XMLHttpRequest().open('GET', text)",
    "WebSocket": "new WebSocket(text).close()",
    "EventSource": "new EventSource(text).close()",
    "lock": "navigator.locks.request(text, () => {})",
    "database": "indexedDB.open(text)",
}


def test_text_of_an_object_is_asked_for_once(app: App) -> None:
    worker = app.start()
    counts = {
        name: worker.evaluate(COUNT_TEXTS, {"url": "/page.html", "code": TEXTS[name]}) for name in TEXTS
    }
    assert counts == dict.fromkeys(TEXTS, 1)


COUNT_MEMBERS = """async (code) => {
    const members = {};
    const values = { method: "PUT", mode: code.startsWith("fetch") ? "cors" : "shared" };
    const options = new Proxy({}, {
        get: (_, name) => {
            members[name] = (members[name] ?? 0) + 1;
            return values[name];
        },
    });
    await new Function("options", `return ${code};`)(options);
    return [Object.values(members).every((count) => count === 1), Object.keys(members).length > 1];
}"""


@pytest.mark.parametrize(
    "code",
    [
        "fetch('/page.html', options)",
        "navigator.locks.request('lock', options, () => {})",
        "new File([], 'name', options)",
        "performance.mark('name', options)",
    ],
)
def test_members_of_options_are_read_once(app: App, code: str) -> None:
    worker = app.start()
    assert worker.evaluate(COUNT_MEMBERS, code) == [True, True]


def test_options_of_a_shared_worker_are_read_once(app: App) -> None:
    app.gateway.serve("/worker.js", "onconnect = () => {};")
    counts = app.open().evaluate("""() => {
        const counts = {};
        const values = { name: "once", type: "classic" };
        window.worker = new SharedWorker("/worker.js", new Proxy({}, { get: (_, name) => {
            counts[name] = (counts[name] ?? 0) + 1;
            return values[name];
        } }));
        return Object.values(counts);
    }""")
    assert set(counts) == {1}
    assert app.workers.wait_for("/worker.js").name == "once"


def test_members_of_a_prototype_are_options(app: App) -> None:
    worker = app.start()
    assert worker.evaluate("""() => {
        const file = new File(["text"], "a.txt", { type: "text/plain", lastModified: 5 });
        const copy = new File([file], "b.txt", file);
        return [copy.type, copy.lastModified, new File([], "c", { lastModified: null }).lastModified];
    }""") == ["text/plain", 5, 0]
    assert worker.evaluate("""() => {
        const mark = performance.mark("a", { startTime: 7, detail: "kept" });
        const copy = performance.mark("b", mark);
        return [copy.startTime, copy.detail];
    }""") == [7, "kept"]


def test_object_without_a_text_makes_a_lock_reject(app: App) -> None:
    worker = app.start()
    assert (
        worker.evaluate("""async () => {
        const request = navigator.locks.request({ toString: () => { throw "no text"; } }, () => {});
        return request.catch((error) => error);
    }""")
        == "no text"
    )
