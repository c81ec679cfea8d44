"""The README's Python example passes unchanged, in a separate project with a small app."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent.parent

PAGE = """<!doctype html><title>app</title><link rel=icon href=data:,><button>Save</button><script>
const { port } = new SharedWorker("telemetry.worker.js");
port.start();
document.querySelector("button").onclick = () => port.postMessage({ clicked: "save" });
</script>"""
WORKER = """
let records = [];
setInterval(async () => {
  const batch = records;
  records = [];
  if (!batch.length) return;
  try {
    await fetch("/ui-telemetry", { method: "POST", body: JSON.stringify({ records: batch }) });
  } catch {
    records = batch.concat(records);
  }
}, 30000);
onconnect = ({ ports: [port] }) => { port.onmessage = ({ data }) => records.push(data); };
"""
CONFTEST = """
import pytest
from pytest_sharedworker.browsers.discovery import get_launch_arguments

@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args, browser_name):
    return {**get_launch_arguments(browser_name), **browser_type_launch_args}
"""


def test_python_example_of_the_readme_passes(tmp_path: Path, browser_name: str) -> None:
    if browser_name != "chromium":
        pytest.skip("the example starts its own Chromium; it runs once, with --browser chromium")
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(
        r"^```python\n([^`]*^def test_three_tabs.*?)^```", readme, re.MULTILINE | re.DOTALL
    )
    (tmp_path / "test_example.py").write_text(example, encoding="utf-8")
    (tmp_path / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "index.html").write_text(PAGE, encoding="utf-8")
    (tmp_path / "app" / "telemetry.worker.js").write_text(WORKER, encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q"], cwd=tmp_path, capture_output=True, text=True, timeout=100
    )
    assert run.returncode == 0, run.stdout + run.stderr
