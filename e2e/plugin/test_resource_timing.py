"""The timings of resources are those of the script; the plugin's are not listed and take no place."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from e2e.plugin.app import PER_CLOCK, App

SEND_WITH_ROOM_FOR_ONE = """
performance.setResourceTimingBufferSize(performance.getEntriesByType("resource").length + 1);
const send = async (url) => (await fetch(url)).text();
send("/data?1").then(() => send("/data?2"));
onconnect = () => {};
"""


@PER_CLOCK
@pytest.mark.parametrize("script", ["", "import '/module.js';"])
def test_resource_timing_shows_no_request_of_the_plugin(app: App, script: str, is_virtual: bool) -> None:
    app.gateway.serve("/data", "data", content_type="text/plain")
    app.gateway.serve("/module.js", "")
    worker = app.start(
        f"""{script}
        self.observed = [];
        new PerformanceObserver((list) => observed.push(...list.getEntries().map(({{ name }}) => name)))
            .observe({{ type: 'resource', buffered: true }});
        onconnect = () => {{}};
        """,
        **({"type": "module"} if script else {}),
    )
    worker.evaluate("fetch('/data', { referrer: '/elsewhere' }).then((response) => response.text())")
    names = "performance.getEntriesByType('resource').map(({ name }) => new URL(name).pathname)"
    worker.wait_for_function("observed.some((name) => name.endsWith('/data'))")
    assert set(worker.evaluate(names)) <= {"/data", "/module.js"}
    assert {urlsplit(name).path for name in worker.evaluate("observed")} <= {"/data", "/module.js"}


@PER_CLOCK
@pytest.mark.parametrize("kind", ["classic", "module"])
def test_first_request_of_a_worker_has_the_first_place(app: App, kind: str, is_virtual: bool) -> None:
    app.gateway.serve("/data", "data", content_type="text/plain")
    worker = app.start(SEND_WITH_ROOM_FOR_ONE, type=kind)
    query = "new URL(performance.getEntriesByType('resource')[0].name).search"
    assert worker.wait_for_function(f"performance.getEntriesByType('resource').length && {query}") == "?1"
