"""The rules of the chaos tests without a browser, and the random steps of a timed run."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any, cast

from e2e.chaos.random_steps import MIN_TABS, RandomSteps
from e2e.chaos.rules import MAX_TABS, RULES
from e2e.chaos.state_machine import ChaosMachine
from e2e.chaos.system import SystemUnderTest


class FakeTabs:
    def __init__(self) -> None:
        self._names: list[str] = []
        self._opened = 0

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._names))

    def get(self, number: int) -> str:
        return self._names[number % len(self._names)]

    def open(self) -> str:
        self._opened += 1
        self._names.append(f"tab-{self._opened}")
        return self._names[-1]

    def close(self, tab: str) -> None:
        self._names.remove(tab)

    def reload(self, tab: str) -> None:
        pass

    def leave_and_return(self, tab: str) -> None:
        pass


class Recorder:
    """Records the calls of its methods; each returns a context."""

    def __init__(self, calls: list[tuple[str, tuple[object, ...]]]) -> None:
        self.calls = calls

    def __getattr__(self, name: str) -> Any:
        def record(*values: object, **options: object) -> Any:
            self.calls.append((name, values))
            return nullcontext()

        return record


class FakeSiteData(Recorder):
    is_quota_exceeded = False
    is_storage_full = False

    def exceed_quota(self, tab: str) -> None:
        self.is_quota_exceeded = True

    def restore_quota(self, tab: str) -> None:
        self.is_quota_exceeded = False

    def fill_storage(self, tab: str) -> None:
        self.is_storage_full = True

    def free_storage(self, tab: str) -> None:
        self.is_storage_full = False


class FakeSystem(Recorder):
    """Records the calls of the rules' actions, and has the state that preconditions read."""

    def __init__(
        self,
        *,
        browser: object | None = "browser",
        can_crash_tabs: bool = True,
        can_clear_site_data: bool = True,
    ) -> None:
        super().__init__([])
        self.tabs = FakeTabs()
        self.site_data = FakeSiteData(self.calls)
        self.server_faults = Recorder(self.calls)
        self.browser = browser
        self.can_crash_tabs = can_crash_tabs
        self.can_clear_site_data = can_clear_site_data
        self.consent = True
        self.is_offline = False
        self.is_server_up = True

    def open_tab(self, build: object = None) -> str:
        return self.tabs.open()

    def leave_outbox(self, build: object) -> None:
        self.tabs.close(self.tabs.get(-1))

    def opt_in(self, tab: str) -> None:
        self.consent = True

    def opt_out(self, tab: str, count: int = 0) -> None:
        self.consent = False

    def set_offline(self, offline: bool) -> None:
        self.is_offline = offline

    def kill_server(self) -> None:
        self.is_server_up = False

    def restart_server(self) -> None:
        self.is_server_up = True


def take_steps(seed: int, steps: int, **options: Any) -> tuple[list[tuple[str, Any]], list[str]]:
    """Return the calls and the names of the rules that so many steps of a seed take."""
    system = FakeSystem(**options)
    random_steps = RandomSteps(cast(SystemUnderTest, system), random.Random(seed))
    names: list[str] = []
    for _ in range(steps):
        names.append(random_steps.take().name)
        assert len(system.tabs) <= MAX_TABS
    return system.calls, names


def test_seed_decides_every_step() -> None:
    assert take_steps(1, 200) == take_steps(1, 200)
    assert take_steps(1, 200) != take_steps(2, 200)


def test_timed_run_takes_every_rule_with_a_weight() -> None:
    _, names = take_steps(1, 10_000)
    assert set(names) == {rule.name for rule in RULES if rule.weight}


def test_timed_run_logs_in_all_tabs_before_each_step() -> None:
    assert {rule.name for rule in RULES if not rule.weight} == {"log", "log_and_settle"}
    calls, _ = take_steps(1, 1)
    assert [name for name, _ in calls[:MIN_TABS]] == ["log_events"] * MIN_TABS


def test_preconditions_exclude_what_the_browser_cannot_do() -> None:
    _, names = take_steps(1, 1_000, browser=None, can_crash_tabs=False, can_clear_site_data=False)
    assert not {"crash_tab", "kill_browser", "clear_site_data", "exceed_quota"} & set(names)


def test_server_is_killed_and_restarted_in_turn() -> None:
    _, names = take_steps(1, 1_000)
    changes = [name for name in names if name in ("kill_server", "restart_server")]
    assert len(changes) > 2
    assert all(name == ("kill_server", "restart_server")[number % 2] for number, name in enumerate(changes))


def test_state_machine_has_every_rule() -> None:
    state = ChaosMachine.setup_state()  # type: ignore[no-untyped-call]  # hypothesis has no types for it
    names = {rule.function.__name__ for rule in state.rules}
    assert names == {rule.name for rule in RULES}
