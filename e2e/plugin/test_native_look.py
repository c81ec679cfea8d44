"""What the plugin replaces in a worker looks like the browser's own; not covered: what it does (other files).

A dedicated worker, in which the plugin replaces nothing, is the measure.
"""

import pytest

from e2e.plugin.app import App

DESCRIBE = r"""() => {
    const describe = (object, name) => {
        const { value, get, set, ...flags } = Object.getOwnPropertyDescriptor(object, name);
        const functions = [value, get, set].filter((each) => typeof each === "function");
        return JSON.stringify([flags, typeof value, functions.map((each) => {
            let isConstructor = true;
            try {
                Reflect.construct(Object, [], each);
            } catch {
                isConstructor = false;
            }
            const isNative = `${each}`.includes("[native code]");
            return [each.name, each.length, isNative, isConstructor, "prototype" in each];
        })]);
    };
    const found = {};
    const add = (title, object) => {
        for (const name of Reflect.ownKeys(object)) {
            found[`${title}.${String(name)}`] = describe(object, name);
        }
    };
    for (let object = self; object !== Object.prototype; object = Object.getPrototypeOf(object)) {
        add(object === self ? "self" : object[Symbol.toStringTag], object);
    }
    for (const name of Object.getOwnPropertyNames(self)) {
        const value = self[name];
        if (typeof value === "function" && value !== Function) {
            add(name, value);
            if (value.prototype) {
                add(`${name}.prototype`, value.prototype);
            }
        }
    }
    add("console", console);
    add("Atomics", Atomics);
    add("WebAssembly", WebAssembly);
    add("Intl.DateTimeFormat.prototype", Intl.DateTimeFormat.prototype);
    return found;
}"""
"""Returns a line for each property of the global scope, its constructors and their prototypes."""

IN_DEDICATED_WORKER = """(describe) => new Promise((resolve) => {
    const script = new Blob([`postMessage((${describe})())`]);
    new Worker(URL.createObjectURL(script)).onmessage = ({ data }) => resolve(data);
})"""


def test_replaced_functions_look_native(app: App) -> None:
    worker = app.start()
    native = app.context.pages[0].evaluate(IN_DEDICATED_WORKER, DESCRIBE)
    own = worker.evaluate(DESCRIBE)
    common = [name for name in own if name in native]
    assert len(common) > 3_000
    assert {name: own[name] for name in common if own[name] != native[name]} == {}


LIST_OWN_KEYS = """() => {
    const own = [
        ...Object.getOwnPropertySymbols(self), ...Reflect.ownKeys(self),
        ...Reflect.ownKeys(Object.getOwnPropertyDescriptors(self)),
    ];
    return own.map(String).filter((key) => key.includes("pytest") || key.startsWith("Symbol("));
}"""


def test_no_list_of_global_properties_has_the_plugins(app: App) -> None:
    worker = app.start()
    assert worker.evaluate(LIST_OWN_KEYS) == []
    assert app.context.pages[0].evaluate(LIST_OWN_KEYS) == []


COUNT_CALLS = """async () => {
    const calls = [];
    const wrap = (prototype, name) => {
        const native = prototype[name];
        prototype[name] = function (...args) {
            calls.push(name);
            return native.apply(this, args);
        };
        return () => { prototype[name] = native; };
    };
    const restore = [wrap(EventTarget.prototype, "addEventListener"), wrap(Promise.prototype, "then")];
    const request = new XMLHttpRequest();
    request.open("GET", "/page.html");
    request.send();
    indexedDB.open("database");
    new FileReader().readAsText(new Blob([]));
    const { signal } = new AbortController();
    const response = await fetch("/page.html", { signal });
    await response.text();
    await navigator.locks.request("lock", () => {});
    await new Blob(["text"]).stream().pipeTo(new WritableStream());
    restore.forEach((act) => act());
    return calls;
}"""


def test_script_that_replaces_functions_sees_no_calls_of_the_plugin(app: App) -> None:
    worker = app.start()
    assert worker.evaluate(COUNT_CALLS) == app.context.pages[0].evaluate(COUNT_CALLS)


WRONG_CALLS = [
    "setTimeout.call({}, () => {})",
    "setTimeout()",
    "clearInterval.call(new EventTarget(), 1)",
    "performance.now.call({})",
    "Object.getOwnPropertyDescriptor(Performance.prototype, 'timeOrigin').get.call({})",
    "Object.getOwnPropertyDescriptor(Event.prototype, 'timeStamp').get.call({})",
    "performance.mark()",
    "performance.measure(Symbol())",
    "new setTimeout(() => {})",
    "new performance.now()",
    "new fetch('/')",
    "AbortSignal.timeout(-1)",
    "AbortSignal.timeout()",
    "File()",
    "new File([])",
    "new File([], 'name', 1)",
    "XMLHttpRequest()",
    "MessagePort.prototype.start.call({})",
    "new PerformanceObserver(1)",
]


def test_wrong_calls_throw_type_errors(app: App) -> None:
    worker = app.start()
    script = "() => {{ try {{ {call}; return 'nothing'; }} catch ({{ name }}) {{ return name; }} }}"
    names = {call: worker.evaluate(script.format(call=call)) for call in WRONG_CALLS}
    assert names == dict.fromkeys(WRONG_CALLS, "TypeError")


WRONG_ASYNCHRONOUS_CALLS = [
    "Response.prototype.text.call({})",
    "Response.prototype.json.call(undefined)",
    "Request.prototype.blob.call(new Response(''))",
    "Blob.prototype.arrayBuffer.call({})",
    "Cache.prototype.keys.call(caches)",
    "SubtleCrypto.prototype.digest.call({}, 'SHA-1', new Uint8Array())",
    "LockManager.prototype.request.call({}, 'name', () => {})",
    "LockManager.prototype.query.call({})",
    "navigator.locks.request(Symbol(), () => {})",
    "fetch.call({}, '/')",
    "fetch()",
    "WebAssembly.compile(1)",
]


def test_wrong_calls_of_asynchronous_functions_reject(app: App) -> None:
    worker = app.start()
    outcomes = {
        call: worker.evaluate(f"() => {call}.then(() => 'nothing', ({{ name }}) => name)")
        for call in WRONG_ASYNCHRONOUS_CALLS
    }
    assert outcomes == dict.fromkeys(WRONG_ASYNCHRONOUS_CALLS, "TypeError")


def test_function_of_a_format_is_the_same_each_time(app: App) -> None:
    worker = app.start()
    assert worker.evaluate("() => { const f = new Intl.DateTimeFormat(); return f.format === f.format; }")


def test_mark_at_zero_is_at_zero(app: App) -> None:
    worker = app.start()
    worker.clock.run_for(5_000)
    assert worker.evaluate("performance.mark('begin', { startTime: null }).startTime") == 0
    assert worker.evaluate("performance.mark('now').startTime") == 5_000


def test_rejection_of_an_aborted_request_comes_at_once(app: App) -> None:
    worker = app.start()
    script = """async () => {
        const log = [];
        const signal = AbortSignal.abort();
        await Promise.all([
            fetch("/page.html", { signal }).catch(() => log.push("aborted")),
            Promise.resolve().then(() => log.push("microtask")),
        ]);
        return log;
    }"""
    assert worker.evaluate(script) == ["aborted", "microtask"]


REFUSED_BODIES = """async () => {
    const log = [];
    const used = await fetch("/page.html");
    await used.text();
    const locked = await fetch("/page.html");
    locked.body.getReader();
    const own = new Response("own");
    await own.text();
    const request = new Request("/", { method: "POST", body: "body" });
    await request.text();
    for (const [name, body] of Object.entries({ used, locked, own, request })) {
        const refused = body.text().catch(() => log.push(`${name} refused`));
        await null;
        log.push(name);
        await refused;
    }
    return log;
}"""


def test_rejection_of_a_used_body_comes_at_once(app: App) -> None:
    worker = app.start()
    log = worker.evaluate(REFUSED_BODIES)
    assert log == app.context.pages[0].evaluate(REFUSED_BODIES)
    assert log[:2] == ["used refused", "used"]


def test_policy_against_text_forbids_timers_of_text(app: App, browser_name: str) -> None:
    if browser_name == "webkit":
        pytest.skip("WebKit fires no event for a timer that a worker's policy forbids")
    script = """
        const results = [setTimeout("results.push('ran')", 10) === 0];
        addEventListener("securitypolicyviolation", (event) => results.push(event.effectiveDirective));
        onconnect = ({ ports: [port] }) => { port.onmessage = () => port.postMessage(results); };
    """
    policy = {"Content-Security-Policy": "script-src 'self'"}
    app.gateway.serve("/strict.js", script, headers=policy)
    page = app.open()
    app.connect(page, "/strict.js")
    worker = app.workers.wait_for("/strict.js")
    worker.clock.run_for(100)
    page.evaluate("worker.port.postMessage('results')")
    page.wait_for_function("messages.length")
    assert page.evaluate("messages[0]") == [True, "script-src"]
    assert worker.errors() == []
