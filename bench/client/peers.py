"""The clients that are measured, as one script each.

The peers come from npm, pinned by `bench/peers/package-lock.json`, into `bench/peers/node_modules`.
"""

from __future__ import annotations

import gzip
import io
import json
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

from bench.report import CHECKOUT

PEERS = CHECKOUT / "bench" / "peers"
ENTRIES = PEERS / "entries"
PACKAGES = {
    "opentelemetry": "@opentelemetry/sdk-logs",
    "faro": "@grafana/faro-web-sdk",
    "datadog": "@datadog/browser-logs",
    "sentry": "@sentry/browser",
    "posthog": "posthog-js",
    "snowplow": "@snowplow/browser-tracker",
    "rudderstack": "@rudderstack/analytics-js",
}
"""The npm package behind each peer. The other clients need none."""
MLFLOW_VERSION = "3.18.0"
OURS, BASELINE, FLOOR = "ours", "baseline", "nothing"
QUICK = (OURS, "opentelemetry", "sketch", FLOOR)
SHELL_TIMEOUT_SECONDS = 300


@dataclass(frozen=True)
class Client:
    """One client: its scripts by name, of which the page loads `main.js` and then `entry.js`."""

    name: str
    scripts: dict[str, bytes]
    version: str = ""

    @property
    def compressed_bytes(self) -> int:
        """Return what the page downloads: the size of its scripts, compressed with gzip."""
        loaded = [text for name, text in self.scripts.items() if not (self.is_ours and name == "entry.js")]
        return sum(len(gzip.compress(text, 9)) for text in loaded)

    @property
    def is_ours(self) -> bool:
        """Return whether this is the reference client, of this checkout or of another commit."""
        return self.name in (OURS, BASELINE)


class PeerError(Exception):
    """A client cannot be had; the message is one line."""


def build_clients(names: list[str], against: str | None) -> list[Client]:
    """Return the clients, without those that cannot be had here: each of these is a line on stderr.

    `against` names a commit whose own client is measured as the baseline.
    """
    clients = []
    for name in [*names, *([BASELINE] if against else [])]:
        try:
            clients.append(_build(name, against))
        except PeerError as reason:
            print(f"bench: without {name}: {reason}", file=sys.stderr)
    return clients


def get_all_names() -> list[str]:
    """Return the names of all clients: each has an entry."""
    return sorted(path.stem for path in ENTRIES.glob("*.js") if path.suffixes == [".js"])


def _build(name: str, against: str | None) -> Client:
    if name == OURS:
        return Client(name, _bundle_ours(CHECKOUT), "checkout")
    if name == BASELINE:
        assert against is not None
        return Client(name, _bundle_ours(_export(against)), against)
    scripts = {"entry.js": (ENTRIES / f"{name}.js").read_bytes()}
    worker = ENTRIES / f"{name}.worker.js"
    if worker.exists():
        scripts[worker.name] = worker.read_bytes()
    if name == "mlflow":
        scripts["telemetry.worker.js"] = _fetch_mlflow_worker()
        return Client(name, scripts, MLFLOW_VERSION)
    if name in PACKAGES:
        scripts["entry.js"] = _bundle_peer(name)
        return Client(name, scripts, _read_version(PACKAGES[name]))
    return Client(name, scripts)


def _bundle_ours(checkout: Path) -> dict[str, bytes]:
    path = checkout / _run([str(checkout / "scripts" / "bundle")], checkout).split()[-1]
    return {"main.js": path.read_bytes(), "entry.js": (ENTRIES / f"{OURS}.js").read_bytes()}


def _export(commit: str) -> Path:
    """Unpack the client of another commit below `.cache/` and return the folder."""
    folder = CHECKOUT / ".cache" / "bench" / commit.replace("/", "_")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    archive = subprocess.run(
        ["git", "archive", commit, "worker", "scripts/bundle"], cwd=CHECKOUT, capture_output=True
    )
    if archive.returncode:
        raise PeerError(archive.stderr.decode().strip())
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
    return folder


def _bundle_peer(name: str) -> bytes:
    """Bundle a peer as a production build does."""
    _install()
    command = ["node_modules/.bin/esbuild", f"entries/{name}.js", "--bundle", "--minify", "--format=iife"]
    command += ["--target=es2022", "--log-level=error", '--define:process.env.NODE_ENV="production"']
    return _run(command, PEERS).encode()


def _install() -> None:
    """Install the pinned packages, unless they are."""
    lock, marker = PEERS / "package-lock.json", PEERS / "node_modules" / ".installed-lock.json"
    if marker.exists() and marker.read_bytes() == lock.read_bytes():
        return
    if shutil.which("npm") is None:
        raise PeerError("npm is not installed: it comes with Node.js")
    # No package may run a script of its own here.
    _run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], PEERS)
    marker.write_bytes(lock.read_bytes())


def _fetch_mlflow_worker() -> bytes:
    path = _run([str(CHECKOUT / "scripts" / "fetch-mlflow"), MLFLOW_VERSION], CHECKOUT).strip()
    return Path(path).read_bytes()


def _read_version(package: str) -> str:
    content = json.loads((PEERS / "node_modules" / package / "package.json").read_bytes())
    return str(content["version"])


def _run(command: list[str], folder: Path) -> str:
    """Run a command and return its output. Raise `PeerError` with the last line of its errors."""
    try:
        process = subprocess.run(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SHELL_TIMEOUT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerError(str(error)) from None
    if process.returncode:
        raise PeerError((process.stderr.strip().splitlines() or ["no reason given"])[-1])
    return process.stdout
