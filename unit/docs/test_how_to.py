"""The how-to pages: their YAML is YAML; the server's packages, its unit and nginx's configuration are right.

Not covered: the Python blocks, which `e2e/plugin/test_documents.py` runs, and the services of CI.
"""

from __future__ import annotations

import asyncio
import configparser
import re
import shlex
import shutil
import ssl
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from socket import create_server

import aiohttp
import pytest
import trustme
import yaml
from yarl import URL

from reference_server import ReferenceServer
from reference_server.cli.serve_options import create_serve_parser

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "how-to"
HOST = "app.example.com"
POST = {
    "records": [
        {"installation_id": "i", "event_name": "e", "timestamp_ns": 1, "params": {}, "session_id": "s"}
    ]
}


def find_blocks(language: str) -> list[str]:
    texts = [page.read_text(encoding="utf-8") for page in sorted(PAGES.glob("*.md"))]
    return re.findall(rf"^```{language}\n(.*?)^```", "\n".join(texts), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("block", find_blocks("yaml"))
def test_yaml_blocks_are_mappings(block: str) -> None:
    assert isinstance(yaml.safe_load(block), dict)


def test_service_runs_the_server_with_options_that_it_has() -> None:
    (block,) = find_blocks("ini")
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read_string(block)
    python, *words = shlex.split(unit["Service"]["ExecStart"])
    assert words[:3] == ["-m", "reference_server", "serve"]
    options = create_serve_parser().parse_args(words[3:])
    assert Path(options.database).parent == Path("/var/lib") / unit["Service"]["StateDirectory"]
    assert Path(python).is_relative_to(unit["Service"]["WorkingDirectory"])
    (nginx,) = find_blocks("nginx")
    assert f"proxy_pass http://127.0.0.1:{options.port};" in nginx
    assert f"location {options.prefix}/ {{" in nginx
    assert f"server_name {options.allowed_host[0]};" in nginx
    (check,) = re.findall(r"^curl --fail (\S+)$", "".join(find_blocks("sh")), re.MULTILINE)
    assert URL(check).port == options.port
    assert URL(check).path == f"{options.prefix}/ready"
    assert URL(check).host in options.allowed_host


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_finds_nothing_in_the_unit(tmp_path: Path) -> None:
    (block,) = find_blocks("ini")
    unit = tmp_path / "telemetry.service"
    # The program of the page is on the reader's machine; systemd looks whether it is executable.
    unit.write_text(re.sub(r"(?<=ExecStart=)\S+", sys.executable, block), encoding="utf-8")
    command = ["systemd-analyze", "verify", "--man=no", str(unit)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout + result.stderr) == (0, "")


def test_page_installs_what_the_server_imports() -> None:
    (line,) = re.findall(r"pip install -c constraints\.txt (.+)$", "".join(find_blocks("sh")), re.MULTILINE)
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "reference_server").rglob("*.py")]
    imports = re.findall(r"^(?:from|import) (\w+)", "\n".join(sources), re.MULTILINE)
    foreign = {name for name in imports if name not in sys.stdlib_module_names} - {"reference_server"}
    assert set(line.split()) == foreign - {"yarl"}  # aiohttp brings it.


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
async def test_page_behind_nginx_posts_its_batch(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    (block,) = find_blocks("json")
    config.write_text(block, encoding="utf-8")
    server = ReferenceServer(config=config, prefix="/app", allowed_hosts=[HOST], environ={})
    base = await server.start()
    try:
        port, authority = configure_nginx(tmp_path, str(base.origin()))
        process = await asyncio.create_subprocess_exec("nginx", "-c", tmp_path / "nginx.conf", "-p", tmp_path)
        try:
            await asyncio.wait_for(wait_for_port(port), timeout=30)
            assert await post(port, authority) == (200, {"status": "success", "accepted": 1})
        finally:
            process.terminate()
            await process.wait()
    finally:
        await server.stop()


def configure_nginx(folder: Path, upstream: str) -> tuple[int, trustme.CA]:
    """Write the page's configuration with this machine's paths and port; return the port and who signs."""
    (block,) = find_blocks("nginx")
    authority = trustme.CA()
    certificate = authority.issue_cert(HOST)
    certificate.private_key_and_cert_chain_pem.write_to_path(str(folder / "host.pem"))
    with closing(create_server(("127.0.0.1", 0))) as probe:
        port: int = probe.getsockname()[1]
    block = block.replace("listen 443", f"listen 127.0.0.1:{port}")
    block = re.sub(r"/etc/ssl/\S+(?=;)", str(folder / "host.pem"), block)
    block = block.replace("http://127.0.0.1:8080", upstream)
    paths = "".join(
        f"{name}_temp_path {folder / name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; master_process off; pid {folder / 'pid'}; error_log {folder / 'error.log'};\n"
        f"events {{}}\nhttp {{\naccess_log off;\n{paths}{block}}}\n",
        encoding="utf-8",
    )
    return port, authority


async def wait_for_port(port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return


async def post(port: int, authority: trustme.CA) -> tuple[int, object]:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    async with aiohttp.ClientSession() as session:
        request = session.post(
            f"https://127.0.0.1:{port}/app/ajax-api/3.0/mlflow/ui-telemetry",
            json=POST,
            headers={"Host": HOST, "Origin": f"https://{HOST}"},
            ssl=context,
            server_hostname=HOST,
        )
        async with request as response:
            return response.status, await response.json()
