"""The worker's files and the page: names with a content hash, rewritten imports, no access to other files."""

import re
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from reference_server.api.worker_files import WorkerFiles
from unit.reference_server.conftest import StartServer

MODULES = {
    "telemetry.worker.js": b'import { queue } from "./record-queue.js";\nqueue();\n',
    "record-queue.js": b"export const queue = () => import('./protocol.js');\n",
    "protocol.js": b'export const text = "./unknown.js"; // sends to ../protocol.js, \xe2\x82\xac\n',
    "telemetry-client.js": b"import './protocol.js';\n",
}
HASHED = re.compile(r"(.+)\.([0-9a-f]{16})\.js")
SPECIFIER = re.compile(r"""["'](\./[^"']+\.js)["']""")
BLOCK_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


@pytest.fixture
def worker_directory(tmp_path: Path) -> Path:
    directory = tmp_path / "worker"
    directory.mkdir()
    for name, content in MODULES.items():
        (directory / name).write_bytes(content)
    return directory


def get_public_names(directory: Path) -> set[str]:
    return {public for public, _ in WorkerFiles(directory).build().values()}


def test_all_modules_share_one_hash(worker_directory: Path) -> None:
    matches = [HASHED.fullmatch(name) for name in get_public_names(worker_directory)]
    assert {match[1] + ".js" for match in matches if match} == set(MODULES)
    assert len({match[2] for match in matches if match}) == 1


def test_change_in_any_module_changes_every_name(worker_directory: Path) -> None:
    seen = get_public_names(worker_directory)
    for name in MODULES:
        with (worker_directory / name).open("ab") as file:
            file.write(b" ")
        changed = get_public_names(worker_directory)
        assert changed.isdisjoint(seen)
        seen |= changed


def test_renamed_module_changes_every_name(worker_directory: Path) -> None:
    before = get_public_names(worker_directory)
    (worker_directory / "protocol.js").rename(worker_directory / "protocol-two.js")
    assert get_public_names(worker_directory).isdisjoint(before)


def test_only_imports_of_siblings_are_rewritten(worker_directory: Path) -> None:
    built = WorkerFiles(worker_directory).build()
    queue, protocol = built["record-queue.js"][0], built["protocol.js"][0]
    assert built["telemetry.worker.js"][1] == f'import {{ queue }} from "./{queue}";\nqueue();\n'.encode()
    assert built["record-queue.js"][1] == f"export const queue = () => import('./{protocol}');\n".encode()
    assert built["protocol.js"][1] == MODULES["protocol.js"]


async def test_module_is_served_as_immutable_javascript(
    start_server: StartServer, client: aiohttp.ClientSession, worker_directory: Path
) -> None:
    server = await start_server(worker_directory=worker_directory, prefix="/app")
    name, content = WorkerFiles(worker_directory).build()["protocol.js"]
    async with client.get(server.url / "static-files" / name) as response:
        assert response.status == 200
        assert response.content_type == "text/javascript"
        assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert await response.read() == content


async def test_edit_changes_the_served_name(
    start_server: StartServer, client: aiohttp.ClientSession, worker_directory: Path
) -> None:
    server = await start_server(worker_directory=worker_directory)
    [old] = [name for name in get_public_names(worker_directory) if name.startswith("protocol.")]
    with (worker_directory / "record-queue.js").open("ab") as file:
        file.write(b"// edited\n")
    [new] = [name for name in get_public_names(worker_directory) if name.startswith("protocol.")]
    statuses = []
    for name in (old, new):
        async with client.get(server.url / "static-files" / name) as response:
            statuses.append(response.status)
    assert statuses == [404, 200]


@pytest.mark.parametrize(
    "name",
    [
        "protocol.js",
        "protocol.0000000000000000.js",
        "secret.js",
        "..%2Fsecret.js",
        "%2e%2e/secret.js",
        "..%5csecret.js",
        "%00",
        ".",
        "tsconfig.json",
    ],
)
async def test_other_names_are_not_found(
    start_server: StartServer, client: aiohttp.ClientSession, worker_directory: Path, name: str
) -> None:
    (worker_directory / "tsconfig.json").write_text("{}")
    (worker_directory.parent / "secret.js").write_text("secret")
    server = await start_server(worker_directory=worker_directory)
    async with client.get(URL(f"{server.url}static-files/{name}", encoded=True)) as response:
        assert response.status == 404
        assert (await response.json())["error"] == "not_found"


async def test_page_without_worker_names_the_missing_module(
    start_server: StartServer, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    server = await start_server(worker_directory=tmp_path / "nothing")
    async with client.get(server.url) as response:
        assert response.status == 404
        assert "telemetry.worker.js" in (await response.json())["message"]


@pytest.mark.parametrize("prefix", ["", "/app", "/a/deeper/one"])
async def test_every_module_of_the_page_is_served(
    start_server: StartServer, client: aiohttp.ClientSession, prefix: str
) -> None:
    """The page and the worker of this checkout: every module that they import is served."""
    server = await start_server(prefix=prefix)
    async with client.get(server.url) as response:
        assert (response.status, response.content_type) == (200, "text/html")
        assert response.headers["Cache-Control"] == "no-cache"
        page = await response.text()
    assert "{{" not in page
    wanted = set(re.findall(r"static-files/[^\"'<\s]+\.js", page))
    assert {url.split("/")[1].split(".")[0] for url in wanted} == {"telemetry", "telemetry-client"}
    served: set[str] = set()
    while wanted - served:
        url = (wanted - served).pop()
        async with client.get(server.url.join(URL(url))) as response:
            assert response.status == 200, url
            code = BLOCK_COMMENT.sub("", await response.text())  # Comments show how an app would import.
            wanted |= {f"static-files/{name[2:]}" for name in SPECIFIER.findall(code)}
        served.add(url)
    assert len(served) > 2


async def test_prefix_without_slash_redirects_to_the_page(
    start_server: StartServer, client: aiohttp.ClientSession
) -> None:
    server = await start_server(prefix="/app")
    async with client.get(server.url.origin() / "app") as response:
        assert (response.status, response.url) == (200, server.url)
