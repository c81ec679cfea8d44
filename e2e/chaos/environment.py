"""What the systems of one run share: the browser, the plugin's thread, the server behind every gateway."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser

from e2e.chaos.bundle import build_bundle
from e2e.chaos.page import BUILDS, BUNDLE_PATH, OTHER_PREFIX
from e2e.chaos.server import ChaosServer
from e2e.chaos.system import WORKER_DIRECTORY, SystemUnderTest
from pytest_sharedworker.browsers.capabilities import get_capabilities
from pytest_sharedworker.control.server import ControlServer
from pytest_sharedworker.gateway.gateway import Gateway
from pytest_sharedworker.integration.event_loop_thread import LoopThread
from pytest_sharedworker.workers.manager import WorkerManager
from pytest_sharedworker.workers.persistent_browser import PersistentBrowser
from pytest_sharedworker.workers.shared_workers import SharedWorkers
from reference_server.api.telemetry import ENDPOINT


@dataclass
class Environment:
    """`worker_directory` holds the modules of the client and the worker under test."""

    browser: Browser
    loop_thread: LoopThread
    control: ControlServer
    server: ChaosServer
    worker_directory: Path = WORKER_DIRECTORY

    @property
    def can_crash_tabs(self) -> bool:
        """Whether tabs can be crashed."""
        return get_capabilities(self.browser.browser_type.name).can_crash_pages

    @property
    def can_clear_site_data(self) -> bool:
        """Whether site data can be cleared, and a quota be set, for an origin alone."""
        return get_capabilities(self.browser.browser_type.name).has_devtools

    @property
    def has_bundle(self) -> bool:
        """Whether tabs with the bundle can be opened; a mutant is not bundled."""
        return self._get_bundle() is not None

    def _get_bundle(self) -> bytes | None:
        return build_bundle() if self.worker_directory == WORKER_DIRECTORY else None

    @contextmanager
    def open_system(self, name: str) -> Iterator[SystemUnderTest]:
        """Open a fresh system in the shared browser: a new origin and a new browser profile."""
        with self._open_workers() as (gateway, manager):
            context = self.browser.new_context()
            try:
                manager.watch(context)
                workers = SharedWorkers(manager)
                yield SystemUnderTest(
                    name,
                    context,
                    gateway,
                    workers,
                    self.server,
                    can_crash_tabs=self.can_crash_tabs,
                    can_clear_site_data=self.can_clear_site_data,
                    has_bundle=self.has_bundle,
                )
            finally:
                # The workers first, while their context is open.
                manager.close()
                context.close()

    @contextmanager
    def open_killable_system(
        self, name: str, profile: Path, launch_arguments: dict[str, Any]
    ) -> Iterator[SystemUnderTest]:
        """Open a fresh system in its own browser, which can be killed and reopened on its profile."""
        with ExitStack() as ends:
            gateway, manager = ends.enter_context(self._open_workers())
            ends.callback(manager.close)
            workers = SharedWorkers(manager)
            browser = PersistentBrowser(
                self.browser.browser_type,
                profile,
                workers,
                launch_arguments=launch_arguments,
                context_arguments={},
            )
            ends.callback(browser.close)
            yield SystemUnderTest(
                name,
                browser.context,
                gateway,
                workers,
                self.server,
                can_crash_tabs=self.can_crash_tabs,
                can_clear_site_data=self.can_clear_site_data,
                has_bundle=self.has_bundle,
                browser=browser,
            )

    @contextmanager
    def _open_workers(self) -> Iterator[tuple[Gateway, WorkerManager]]:
        """Start an origin in front of the server, and what follows its workers."""
        if not self.server.is_running:
            self.server.restart()
        gateway = Gateway(self.loop_thread, self.control, self.server.url)
        gateway._start()
        for build in BUILDS:
            gateway.serve_directory(build.folder, self.worker_directory)
        if (bundle := self._get_bundle()) is not None:
            gateway.serve(BUNDLE_PATH, bundle, content_type="text/javascript")
        gateway.rewrite(f"{OTHER_PREFIX}{ENDPOINT}", ENDPOINT)
        try:
            yield gateway, WorkerManager(self.browser, gateway, self.control, self.loop_thread, "virtual")
        finally:
            gateway._stop()
