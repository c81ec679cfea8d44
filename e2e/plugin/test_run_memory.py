"""What a run keeps of its tests: no journal and no handle, so that a long run needs no more memory."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

CONFTEST = """
import gc

from pytest_sharedworker import Gateway, SharedWorker

def pytest_sessionfinish():
    gc.collect()
    kept = [value for value in gc.get_objects() if isinstance(value, (Gateway, SharedWorker))]
    print(f"kept: {len(kept)}")
"""

TESTS = """
import pytest

@pytest.mark.parametrize("number", range(3))
def test_worker(page, gateway, shared_workers, worker_clock, number):
    gateway.serve("/", "<title>a tab</title>", content_type="text/html")
    gateway.serve("/worker.js", "onconnect = () => fetch('/');", content_type="text/javascript")
    page.goto(gateway.url + "/")
    page.evaluate("() => { self.worker = new SharedWorker('/worker.js'); }")
    shared_workers.wait_for()
    worker_clock.run_for(1_000)
"""


def test_run_keeps_no_gateway_and_no_worker(pytester: pytest.Pytester, browser_name: str) -> None:
    pytester.makeini("[pytest]\naddopts = -p no:cacheprovider -p no:asyncio\n")
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(TESTS)
    result = pytester.runpytest_subprocess("--installed-browser", "--browser", browser_name, "-s", timeout=60)
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*kept: 0"])
