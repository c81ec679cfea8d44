"""`scripts/bench harness`: what the plugin costs the tester."""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time

from playwright.sync_api import Browser, sync_playwright

from bench.harness.floor import measure_floor
from bench.harness.requests import DIRECT, measure_requests
from bench.harness.simulation import Load, Speed, simulate
from bench.plots import Line, plot_lines
from bench.report import CHECKOUT, Report, Samples
from pytest_sharedworker.browsers.discovery import get_launch_arguments

BASE = Load()
GROWTH_SECONDS = 120
GROWTH = {
    "tabs": [Load(seconds=GROWTH_SECONDS, tabs=tabs) for tabs in (1, 5, 10, 20, 40)],
    "workers": [Load(seconds=GROWTH_SECONDS, workers=workers) for workers in (1, 2, 5, 10)],
    "events_per_second": [Load(seconds=GROWTH_SECONDS, events_per_second=rate) for rate in (1, 2, 5, 10)],
}
COMMANDS = {
    "python": ["-c", "pass"],
    "import of pytest and Playwright": [
        "-c",
        "import pytest, playwright.sync_api, aiohttp, pytest_playwright",
    ],
    "import of the plugin": ["-c", "import pytest_sharedworker.plugin"],
    "collect-only of e2e": ["-m", "pytest", "-p", "no:cacheprovider", "--collect-only", "-q", "e2e"],
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--browser", choices=("chromium", "firefox"), default="chromium")


def run(options: argparse.Namespace) -> None:
    """Run the benchmark, print tables and write the results."""
    is_quick = options.quick
    report = Report("harness", is_quick)
    with sync_playwright() as playwright:
        browser = getattr(playwright, options.browser).launch(**get_launch_arguments(options.browser))
        report.versions[options.browser] = browser.version
        _measure_speed(report, browser, Load(seconds=60) if is_quick else BASE, rounds=1 if is_quick else 5)
        _measure_gateway(report, browser, rounds=3 if is_quick else 20)
        if not is_quick:
            _measure_growth(report, browser)
        browser.close()
    if not is_quick:
        _measure_commands(report, rounds=5)
    report.write()


def _measure_speed(report: Report, browser: Browser, load: Load, rounds: int) -> None:
    speeds: dict[str, list[Speed]] = {"virtual time": [], "the same events without the plugin": []}
    for _ in range(rounds):
        for way, measure in zip(speeds, (simulate, measure_floor), strict=True):
            speeds[way].append(measure(browser, load))
    rows = []
    for way, each in speeds.items():
        per_second = Samples(tuple(speed.simulated_per_second for speed in each))
        an_event = Samples(tuple(speed.event_microseconds for speed in each))
        rows.append([way, per_second.format(0), an_event.format(0)])
        report.data[f"speed, {way}"] = {
            "simulated_per_second": per_second.as_dict(), "event_us": an_event.as_dict()
        }  # fmt: skip
    report.print_table(
        f"{load.tabs} tabs, {load.events_per_second} event/s each, {load.seconds} s: median (lowest-highest)",
        ["way", "simulated seconds in a real one", "µs an event"],
        rows,
    )


def _measure_gateway(report: Report, browser: Browser, rounds: int) -> None:
    took = measure_requests(browser, rounds, count=50)
    direct = statistics.median(took[DIRECT])
    report.print_table(
        "A page's request, one after another: milliseconds",
        ["way", "times direct", "p50", "p99", "lowest"],
        [
            [
                way,
                f"{statistics.median(each) / direct:.2f}",
                f"{statistics.median(each):.2f}",
                f"{_get_p99(each):.2f}",
                f"{min(each):.2f}",
            ]
            for way, each in took.items()
        ],
    )
    report.data["gateway_ms"] = took


def _get_p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98]


def _measure_growth(report: Report, browser: Browser) -> None:
    for name, loads in GROWTH.items():
        speeds = [min((simulate(browser, load) for _ in range(2)), key=lambda each: each.real_seconds)
                  for load in loads]  # fmt: skip
        amounts = [getattr(load, name) for load in loads]
        title = name.replace("_", " ")
        report.print_table(
            f"Growth with {title}, {GROWTH_SECONDS} simulated seconds, the better of two runs",
            [title, "real s", "events", "µs an event"],
            [
                [amount, f"{speed.real_seconds:.2f}", speed.events, f"{speed.event_microseconds:.0f}"]
                for amount, speed in zip(amounts, speeds, strict=True)
            ],
        )
        points = list(zip(amounts, (speed.real_seconds for speed in speeds), strict=True))
        report.data[f"growth_{name}"] = points
        plot_lines(f"harness-{name.replace('_', '-')}", title, "real seconds", [Line("virtual time", points)])


def _measure_commands(report: Report, rounds: int) -> None:
    """Run each command in a new process, all of them in turn."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    for arguments in COMMANDS.values():
        _time_command(arguments)
    for _ in range(rounds):
        for name, arguments in COMMANDS.items():
            seconds[name].append(_time_command(arguments))
    rows = []
    for name, pairs in seconds.items():
        wall = Samples(tuple(pair[0] for pair in pairs))
        cpu = Samples(tuple(pair[1] for pair in pairs))
        rows.append([name, wall.format(2), cpu.format(2)])
        report.data[name] = {"wall_s": wall.as_dict(), "cpu_s": cpu.as_dict()}
    report.print_table("Seconds: median (lowest-highest)", ["command", "wall", "CPU"], rows)


def _time_command(arguments: list[str]) -> tuple[float, float]:
    # With compiled files, as everybody has from the second run on.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments], cwd=CHECKOUT, env=environment, check=True, capture_output=True
    )
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
