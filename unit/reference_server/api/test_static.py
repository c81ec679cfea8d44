"""The worker's files and the page: names by content, imports that lead to them, no way to any other file."""

import re
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from reference_server.api.static import WorkerFiles
from unit.reference_server.conftest import StartServer

MODULES = {
    "telemetry.worker.js": b'import { queue } from "./record-queue.js";\nqueue();\n',
    "record-queue.js": b"export const queue = () => import('./protocol.js');\n",
    "protocol.js": b'export const text = "./unknown.js"; // sends to ../protocol.js, \xe2\x82\xac\n',
    "telemetry-client.js": b"import './protocol.js';\n",
}
HASHED = re.compile(r"(.+)\.([0-9a-f]{16})\.js")
SPECIFIER = re.compile(r"""["'](\./[^"']+\.js)["']""")


@pytest.fixture
def worker_directory(tmp_path: Path) -> Path:
    directory = tmp_path / "worker"
    directory.mkdir()
    for name, content in MODULES.items():
        (directory / name).write_bytes(content)
    return directory


def names(directory: Path) -> set[str]:
    return {public for public, _ in WorkerFiles(directory).build().values()}


def test_every_module_has_a_name_with_one_hash_for_all(worker_directory: Path) -> None:
    matches = [HASHED.fullmatch(name) for name in names(worker_directory)]
    assert {match[1] + ".js" for match in matches if match} == set(MODULES)
    assert len({match[2] for match in matches if match}) == 1


def test_a_change_in_any_module_changes_every_name(worker_directory: Path) -> None:
    seen = names(worker_directory)
    for name in MODULES:
        with (worker_directory / name).open("ab") as file:
            file.write(b" ")
        changed = names(worker_directory)
        assert changed.isdisjoint(seen)
        seen |= changed


def test_a_renamed_module_changes_every_name(worker_directory: Path) -> None:
    before = names(worker_directory)
    (worker_directory / "protocol.js").rename(worker_directory / "protocol-two.js")
    assert names(worker_directory).isdisjoint(before)


def test_imports_of_siblings_are_rewritten_and_nothing_else(worker_directory: Path) -> None:
    built = WorkerFiles(worker_directory).build()
    queue, protocol = built["record-queue.js"][0], built["protocol.js"][0]
    assert built["telemetry.worker.js"][1] == f'import {{ queue }} from "./{queue}";\nqueue();\n'.encode()
    assert built["record-queue.js"][1] == f"export const queue = () => import('./{protocol}');\n".encode()
    assert built["protocol.js"][1] == MODULES["protocol.js"]


async def test_a_module_is_served_as_javascript_and_cached_for_ever(
    start_server: StartServer, client: aiohttp.ClientSession, worker_directory: Path
) -> None:
    server = await start_server(worker_directory=worker_directory, prefix="/app")
    name, content = WorkerFiles(worker_directory).build()["protocol.js"]
    async with client.get(server.url / "static-files" / name) as answer:
        assert answer.status == 200
        assert answer.content_type == "text/javascript"
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert await answer.read() == content


async def test_an_edit_is_served_under_a_new_name_and_the_old_name_is_gone(
    start_server: StartServer, client: aiohttp.ClientSession, worker_directory: Path
) -> None:
    server = await start_server(worker_directory=worker_directory)
    [old] = [name for name in names(worker_directory) if name.startswith("protocol.")]
    with (worker_directory / "record-queue.js").open("ab") as file:
        file.write(b"// edited\n")
    [new] = [name for name in names(worker_directory) if name.startswith("protocol.")]
    statuses = []
    for name in (old, new):
        async with client.get(server.url / "static-files" / name) as answer:
            statuses.append(answer.status)
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
async def test_no_other_name_leads_to_a_file(
    start_server: StartServer, client: aiohttp.ClientSession, worker_directory: Path, name: str
) -> None:
    (worker_directory / "tsconfig.json").write_text("{}")
    (worker_directory.parent / "secret.js").write_text("secret")
    server = await start_server(worker_directory=worker_directory)
    async with client.get(URL(f"{server.url}static-files/{name}", encoded=True)) as answer:
        assert answer.status == 404
        assert (await answer.json())["error"] == "not_found"


async def test_without_a_worker_directory_the_page_says_what_is_missing(
    start_server: StartServer, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    server = await start_server(worker_directory=tmp_path / "nothing")
    async with client.get(server.url) as answer:
        assert answer.status == 404
        assert "telemetry.worker.js" in (await answer.json())["message"]


@pytest.mark.parametrize("prefix", ["", "/app", "/a/deeper/one"])
async def test_all_that_the_page_needs_is_served(
    start_server: StartServer, client: aiohttp.ClientSession, prefix: str
) -> None:
    """The page and the worker of this checkout: every module that one of them names is there."""
    server = await start_server(prefix=prefix)
    async with client.get(server.url) as answer:
        assert (answer.status, answer.content_type) == (200, "text/html")
        assert answer.headers["Cache-Control"] == "no-cache"
        page = await answer.text()
    assert "{{" not in page
    wanted = set(re.findall(r"static-files/[^\"'<\s]+\.js", page))
    assert {url.split("/")[1].split(".")[0] for url in wanted} == {"telemetry", "telemetry-client"}
    served: set[str] = set()
    while wanted - served:
        url = (wanted - served).pop()
        async with client.get(server.url.join(URL(url))) as answer:
            assert answer.status == 200, url
            wanted |= {f"static-files/{name[2:]}" for name in SPECIFIER.findall(await answer.text())}
        served.add(url)
    assert len(served) > 2


async def test_the_prefix_without_its_slash_leads_to_the_page(
    start_server: StartServer, client: aiohttp.ClientSession
) -> None:
    server = await start_server(prefix="/app")
    async with client.get(server.url.origin() / "app") as answer:
        assert (answer.status, answer.url) == (200, server.url)
