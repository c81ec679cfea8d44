"""What the worlds of one run share: the browser, the harness's thread, the server behind every gateway."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser

from e2e.chaos.page import WORKER_FOLDER
from e2e.chaos.server import ChaosServer
from e2e.chaos.system import WORKER_DIRECTORY, SystemUnderTest
from pytest_sharedworker.control.server import ControlServer
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.integration.event_loop_thread import LoopThread
from pytest_sharedworker.workers.shared_workers import SharedWorkers


@dataclass
class Environment:
    """`worker_directory` holds the modules of the client and the worker under test."""

    browser: Browser
    loop_thread: LoopThread
    control: ControlServer
    server: ChaosServer
    worker_directory: Path = WORKER_DIRECTORY

    @property
    def is_chromium(self) -> bool:
        """Whether tabs can be crashed."""
        return self.browser.browser_type.name == "chromium"

    @contextmanager
    def gateway(self) -> Iterator[Gateway]:
        """An origin of its own in front of the server."""
        if not self.server.is_running:
            self.server.restart()
        gateway = Gateway(self.loop_thread, self.control, self.server.url)
        gateway.start()
        gateway.mount(WORKER_FOLDER, self.worker_directory)
        try:
            yield gateway
        finally:
            gateway.stop()

    @contextmanager
    def world(self, name: str) -> Iterator[SystemUnderTest]:
        """A fresh world: an origin and a browser profile that nobody has used."""
        with self.gateway() as gateway:
            workers = SharedWorkers(self.browser, gateway, self.control, self.loop_thread, "virtual")
            context = self.browser.new_context()
            workers.watch(context)
            try:
                yield SystemUnderTest(name, context, gateway, workers, self.server)
            finally:
                workers.close()
                context.close()
