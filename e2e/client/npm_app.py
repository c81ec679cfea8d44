"""An app that uses the worker as an npm package: the files of docs/worker.md, and its builds."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from e2e.conformance.paths import CHECKOUT

DOCUMENT = CHECKOUT / "docs" / "worker.md"
COMMAND_TIMEOUT_SECONDS = 180
# Vite and webpack are named without the types of Node.js; the app has none.
PACKAGES = ("typescript@5.9.3", "vite@8.3.8", "webpack@5.112.2", "webpack-cli@7.3.1", "ts-loader@9.6.2")

# A code block of the document that begins with the name of its file.
_BLOCK = re.compile(r"^```(?:ts|js)\n// (\S+)\n\n?(.*?)^```", re.MULTILINE | re.DOTALL)

# The app's code: the two documented ways to name the worker's script differ only in the import.
_MAIN = """
import { telemetry } from "./%s";

telemetry.logEvent({ componentId: location.hash.slice(1), eventType: "onView" });
Object.assign(globalThis, { telemetry });
"""
_PAGE = "<!doctype html><title>app</title><link rel=icon href=data:,><script %s></script>"

# tsc reports an error that is expected and missing, so these prove that the types are not `any`.
_WRONG_TYPES = """
import { createTelemetryClient, type ClientState, type TelemetryClient } from "telemetry-sharedworker";
import { serveTabs } from "telemetry-sharedworker/serve-tabs";

const createWorker = (options: WorkerOptions): SharedWorker => new SharedWorker("/worker.js", options);

export function useTypes(): ClientState {
  // @ts-expect-error a string is not a number
  serveTabs({ flushIntervalMs: "10000" });
  // @ts-expect-error the name of an option is wrong
  serveTabs({ flushInterval: 10_000 });
  // @ts-expect-error the worker is missing
  createTelemetryClient({ endpoint: "/api/telemetry" });
  // @ts-expect-error the endpoint is missing, which the client cannot know
  createTelemetryClient({ createWorker });
  // @ts-expect-error the two ways to name the worker exclude each other
  createTelemetryClient({ createWorker, endpoint: "/api/telemetry", workerUrl: "/worker.js" });
  const endpoint = new URL("https://app.test/t");
  const client: TelemetryClient = createTelemetryClient({ createWorker, endpoint });
  // @ts-expect-error an event is an object
  client.logEvent("click");
  return client.state();
}
"""

_TSCONFIG = {
    "compilerOptions": {
        "exactOptionalPropertyTypes": True,
        "lib": ["es2022", "dom"],
        "module": "esnext",
        "moduleResolution": "bundler",
        "strict": True,
        "target": "es2022",
        "types": ["vite/client"],
    },
    "include": ["src"],
}
_VITE_CONFIG = {"build": {"rollupOptions": {"input": ["factory.html", "url.html"]}, "outDir": "dist-vite"}}


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command and return its output. Raise AssertionError with the output if it fails."""
    result = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, "npm_config_update_notifier": "false"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=COMMAND_TIMEOUT_SECONDS,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout


def pack(folder: Path) -> Path:
    """Pack a copy of the npm package into `folder` and return the tarball.

    A copy, because the scripts write into the checkout, and another process may do the same.
    """
    shutil.copytree(CHECKOUT / "worker", folder / "worker", ignore=shutil.ignore_patterns("dist"))
    shutil.copytree(CHECKOUT / "scripts", folder / "scripts")
    run("npm", "pack", "--silent", "--pack-destination", folder, cwd=folder / "worker")
    (tarball,) = folder.glob("*.tgz")
    return tarball


def read_blocks() -> dict[str, str]:
    """Return the text of each file of docs/worker.md by its path."""
    return dict(_BLOCK.findall(DOCUMENT.read_text(encoding="utf-8")))


def create_app(folder: Path, tarball: Path) -> None:
    """Write the app of docs/worker.md to `folder`, and install the package and the bundlers."""
    files = {
        **read_blocks(),
        "package.json": json.dumps({"name": "app", "private": True, "type": "module"}),
        "tsconfig.json": json.dumps(_TSCONFIG),
        "vite.config.js": f"export default {json.dumps(_VITE_CONFIG)};",
        "factory.html": _PAGE % 'type="module" src="/src/main.ts"',
        "url.html": _PAGE % 'type="module" src="/src/main-url.ts"',
        "dist/index.html": _PAGE % 'defer src="main.js"',
        "src/main.ts": _MAIN % "telemetry",
        "src/main-url.ts": _MAIN % "telemetry-url",
        "src/wrong-types.ts": _WRONG_TYPES,
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    options = ("--no-audit", "--no-fund", "--no-package-lock", "--prefer-offline")
    run("npm", "install", *options, tarball, *PACKAGES, cwd=folder)
