"""`logEvent` takes whatever an app hands it: it never throws, and what it refuses is counted."""

from __future__ import annotations

import pytest

from e2e.client.app import FLUSH_INTERVAL_MS, App, drain, get_dropped, log
from e2e.client.page import POST, get_components
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.workers.shared_workers import SharedWorkers

pytestmark = pytest.mark.usefixtures("worker_clock")

REFUSED = {
    "null": "null",
    "undefined": "undefined",
    "string": "'text'",
    "number": "7",
    "symbol": "Symbol('event')",
    "function-as-value": "({ componentId: () => {} })",
    "symbol-as-value": "({ componentId: Symbol('id') })",
    "symbol-as-name": "({ eventName: Symbol('name'), componentId: 'x' })",
    "throwing-getter": "({ get componentId() { throw new Error('getter'); } })",
    "throwing-name": "({ get eventName() { throw null; } })",
    "throwing-deep-getter": "({ details: { get value() { throw new Error('getter'); } } })",
    "proxy-that-throws": "new Proxy({}, { ownKeys() { throw new Error('trap'); } })",
    "revoked-proxy": "(() => { const made = Proxy.revocable({}, {}); made.revoke(); return made.proxy; })()",
    "proxy-as-value": "({ details: new Proxy({}, {}) })",
    "window": "window",
    "element-as-value": "({ target: document.body })",
    "promise": "({ value: Promise.resolve() })",
    "bigint": "({ value: 1n })",
    "deep-bigint": "({ details: { value: 1n } })",
    "cycle": "(() => { const value = {}; value.value = value; return { value }; })()",
}

ACCEPTED = {
    "no-properties": "({})",
    "no-prototype": "Object.assign(Object.create(null), { value: 1 })",
    "class": "new (class Click { value = 1; })()",
    "proxy": "new Proxy({ value: 1 }, {})",
    "symbol-key": "({ [Symbol('key')]: 1, value: 1 })",
    "half-an-emoji": "({ value: 'a\\ud83d', ['\\ude00']: ['\\ud83d\\ude00', '\\\\ud83d'] })",
    "own-identity": "({ tab_id: undefined, seq: undefined, installation_id: 'theirs' })",
    "json-in-json": "({ toJSON: 1, value: '\\u2028 \\u0000' })",
}

# A value that can be cloned and that no worker can receive.
MODULE = "new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]))"

VALUES = """({
    date: new Date(0),
    invalid: new Date(NaN),
    boxed: [new String("text"), new Number(1), new Boolean(false)],
    missing: undefined,
    list: [undefined, NaN, -0, , "\\u0000"],
    containers: [new Map([[1, 2]]), new Set([1]), new ArrayBuffer(1), new Uint8Array([1, 2])],
    others: [new Error("text"), /pattern/g, new File(["text"], "name"), new (class Click { value = 1; })()],
    ["__proto__"]: { value: 1 },
})"""
"""What is not flat, and `STORED_VALUES`, what JSON makes of it."""

STORED_VALUES = {
    "date": "1970-01-01T00:00:00.000Z",
    "invalid": None,
    "boxed": ["text", 1, False],
    "list": [None, None, 0, None, "\x00"],
    "containers": [{}, {}, {}, {"0": 1, "1": 2}],
    "others": [{}, {}, {}, {"value": 1}],
    "__proto__": {"value": 1},
}


def test_event_that_cannot_be_sent_is_refused_and_counted(
    app: App, gateway: Gateway, shared_workers: SharedWorkers
) -> None:
    page = app.open()
    log(page, "before")
    for name, source in REFUSED.items():
        assert page.evaluate(f"() => telemetry.logEvent({source})") is False, name
        log(page, name)
    drain(shared_workers.clock)
    assert get_components(gateway) == sorted(["before", *REFUSED])
    # The tab reports its count when an event has been stored; it leaves with the next batch.
    log(page, "later")
    shared_workers.clock.run_for(2 * FLUSH_INTERVAL_MS)
    assert get_dropped(gateway) == len(REFUSED)


def test_unusual_events_are_stored(app: App, gateway: Gateway, shared_workers: SharedWorkers) -> None:
    page = app.open()
    for name, source in ACCEPTED.items():
        script = f"(componentId) => telemetry.logEvent(Object.assign({source}, {{ componentId }}))"
        assert page.evaluate(script, name) is True, name
    drain(shared_workers.clock)
    assert get_components(gateway) == sorted(ACCEPTED)
    assert get_dropped(gateway) == 0


def test_values_are_stored_as_json(app: App, gateway: Gateway, shared_workers: SharedWorkers) -> None:
    page = app.open()
    assert page.evaluate(f"() => telemetry.logEvent({VALUES})") is True
    drain(shared_workers.clock)
    (post,) = gateway.journal.select(POST)
    assert [record["params"] for record in post.json()["records"]] == [STORED_VALUES]


def test_event_that_no_worker_can_receive_harms_no_other(
    app: App, gateway: Gateway, shared_workers: SharedWorkers
) -> None:
    page = app.open()
    page.evaluate(
        f"""() => ["first", "second", {MODULE}, "last"].forEach((value) =>
            telemetry.logEvent({{ componentId: String(value), value }}))"""
    )
    log(page, "later")
    drain(shared_workers.clock)
    assert get_components(gateway) == ["[object WebAssembly.Module]", "first", "last", "later", "second"]
    assert get_dropped(gateway) == 0


def test_getter_that_withdraws_consent_is_obeyed(
    app: App, gateway: Gateway, shared_workers: SharedWorkers
) -> None:
    page = app.open()
    page.evaluate(
        """() => telemetry.logEvent({ get componentId() {
            telemetry.optOut();
            return "during";
        } })"""
    )
    page.evaluate("() => telemetry.optIn()")
    drain(shared_workers.clock)
    assert get_components(gateway) == []


def test_app_that_throws_on_state_changes_does_not_stop_the_client(
    app: App, gateway: Gateway, shared_workers: SharedWorkers
) -> None:
    page = app.open()
    log(page, "before")
    page.evaluate("() => { states.push = () => { throw new Error('the app'); }; }")
    page.evaluate("() => { try { telemetry.optOut(); telemetry.optIn(); } catch {} }")
    log(page, "after")
    drain(shared_workers.clock)
    assert get_components(gateway) == ["after"]


def test_events_beyond_the_bound_are_counted(
    app: App, gateway: Gateway, shared_workers: SharedWorkers
) -> None:
    page = app.open()
    accepted = page.evaluate(
        """() => {
            let accepted = 0;
            const event = { componentId: "x" };
            for (let number = 0; number < 20_000; number++) accepted += telemetry.logEvent(event);
            return accepted;
        }"""
    )
    assert 0 < accepted < 20_000
    drain(shared_workers.clock)
    log(page, "later")
    shared_workers.clock.run_for(2 * FLUSH_INTERVAL_MS)
    assert len(get_components(gateway)) + get_dropped(gateway) == 20_001
    assert get_dropped(gateway) == 20_000 - accepted


def test_refused_events_without_consent_are_not_counted(
    app: App, gateway: Gateway, shared_workers: SharedWorkers
) -> None:
    page = app.open()
    page.evaluate("() => { telemetry.optOut(); telemetry.logEvent(null); telemetry.optIn(); }")
    log(page, "after")
    drain(shared_workers.clock)
    assert get_components(gateway) == ["after"]
    assert get_dropped(gateway) == 0
