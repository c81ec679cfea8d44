"""`scripts/bench client`: what one event costs the page, beside other libraries, in the same run."""

from __future__ import annotations

import argparse

from playwright.sync_api import sync_playwright

from bench.client.measure import FULL, QUICK, Costs, Traffic, measure_calls, measure_traffic
from bench.client.peers import BASELINE, OURS, Client, build_clients, get_all_names
from bench.client.peers import QUICK as QUICK_NAMES
from bench.client.sink import Sink
from bench.plots import plot_bars
from bench.report import Report
from pytest_sharedworker.browsers.discovery import get_launch_arguments
from pytest_sharedworker.integration.event_loop_thread import LoopThread

MEASURES = {
    "burst_wall": "wall",
    "burst_cpu": "CPU",
    "spread_cpu": "CPU, a task each",
    "burst_process_cpu": "CPU of the process",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--only", metavar="NAMES", type=_parse_names, help="clients to measure, separated by commas"
    )
    parser.add_argument(
        "--against", metavar="COMMIT", help="measure this commit's client beside the checkout's"
    )
    parser.add_argument("--rounds", type=int, help="how often each client is measured")
    parser.add_argument("--no-traffic", action="store_true", help="do not count requests and bytes")


def _parse_names(text: str) -> list[str]:
    names, known = text.split(","), get_all_names()
    unknown = ", ".join(repr(name) for name in names if name not in known)
    if unknown:
        raise argparse.ArgumentTypeError(f"no client is named {unknown}; there are {', '.join(known)}")
    return names


def run(options: argparse.Namespace) -> None:
    """Run the benchmark, print tables and write the results."""
    plan = QUICK if options.quick else FULL
    if options.rounds:
        plan = type(plan)(**{**vars(plan), "rounds": options.rounds})
    names = options.only or (list(QUICK_NAMES) if options.quick else get_all_names())
    clients = build_clients(names, options.against)
    report = Report("client", options.quick)
    report.versions |= {client.name: client.version for client in clients if client.version}
    loop_thread = LoopThread()
    sink = Sink(loop_thread, clients)
    sink.start()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(**get_launch_arguments("chromium"))
            report.versions["chromium"] = browser.version
            costs = measure_calls(browser, sink, clients, plan)
            _report_costs(report, clients, costs, plan.calls)
            if not options.no_traffic:
                _report_traffic(
                    report,
                    plan.tabs,
                    plan.calls_of_tab,
                    measure_traffic(browser, sink, clients, plan),
                )
            browser.close()
    finally:
        sink.stop()
        loop_thread.close()
    report.write()


def _report_costs(report: Report, clients: list[Client], costs: dict[str, Costs], calls: int) -> None:
    ordered = sorted(clients, key=lambda client: costs[client.name].get_samples("burst_wall").median)
    base = costs[OURS] if OURS in costs else costs[ordered[0].name]
    report.print_table(
        f"Times the cost of {OURS if OURS in costs else ordered[0].name}, by the medians",
        ["client", *MEASURES.values()],
        [
            [
                client.name,
                *(
                    f"{costs[client.name].get_samples(name).median / base.get_samples(name).median:.2f}"
                    for name in MEASURES
                ),
            ]
            for client in ordered
        ],
    )
    report.print_table(
        f"Microseconds a call on the page's main thread, {calls:,} calls: median (lowest-highest)",
        ["client", *MEASURES.values(), "bytes, gzip"],
        [
            [
                client.name,
                *(costs[client.name].get_samples(name).format() for name in MEASURES),
                f"{client.compressed_bytes:,}",
            ]
            for client in ordered
        ],
    )
    report.data["costs"] = {
        name: {measure: each.get_samples(measure).as_dict() for measure in MEASURES}
        for name, each in costs.items()
    }
    report.data["bytes"] = {client.name: client.compressed_bytes for client in clients}
    if not report.is_quick:
        for measure in ("burst_wall", "burst_cpu"):
            values = [(client.name, costs[client.name].get_samples(measure).median) for client in ordered]
            values.sort(key=lambda item: item[1])
            plot_bars(f"client-{measure.replace('_', '-')}", f"{MEASURES[measure]}, µs a call", values)
    if BASELINE in costs:
        print(f"\n{BASELINE}: {report.versions[BASELINE]}")


def _report_traffic(report: Report, tabs: int, calls: int, traffic: dict[str, Traffic]) -> None:
    ordered = sorted(traffic.items(), key=lambda item: (item[1].lost, item[1].body_bytes))
    report.print_table(
        f"{tabs} tabs of one profile log {calls} events each, then close",
        ["client", "requests", "bytes", "lost", "doubled"],
        [[name, each.requests, f"{each.body_bytes:,}", each.lost, each.doubled] for name, each in ordered],
    )
    report.data["traffic"] = {name: vars(each) for name, each in traffic.items()}
