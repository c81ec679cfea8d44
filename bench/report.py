"""Results: tables on the terminal and JSON in `bench/results/`, with the machine and the versions."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent
RESULTS = CHECKOUT / "bench" / "results"


@dataclass(frozen=True)
class Samples:
    """The values that one subject gave for one measure, one a round."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """Return the median."""
        return statistics.median(self.values)

    def format(self, digits: int = 1) -> str:
        """Return the median with the smallest and the largest value: `7.1 (6.8-7.9)`."""
        low, high = min(self.values), max(self.values)
        return f"{self.median:,.{digits}f} ({low:,.{digits}f}-{high:,.{digits}f})"

    def as_dict(self) -> dict[str, Any]:
        """Return the values for the JSON file."""
        return {
            "median": self.median,
            "min": min(self.values),
            "max": max(self.values),
            "values": self.values,
        }


@dataclass
class Report:
    """One run of `scripts/bench`: prints what it finds, and writes it as JSON."""

    name: str
    is_quick: bool
    versions: dict[str, str] = field(default_factory=dict)
    tables: list[dict[str, Any]] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    _load_before: float = field(default_factory=lambda: os.getloadavg()[0])

    def print_table(self, title: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Print a table and keep it for the JSON file. The first column is text."""
        cells = [[str(cell) for cell in row] for row in rows]
        self.tables.append({"title": title, "heads": list(heads), "rows": cells})
        widths = [max(len(row[column]) for row in [list(heads), *cells]) for column in range(len(heads))]
        print(f"\n{title}")
        for row in [list(heads), ["-" * width for width in widths], *cells]:
            first, *others = (
                cell.rjust(width) if index else cell.ljust(width)
                for index, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            print("  ".join([first, *others]).rstrip(), flush=True)

    def write(self) -> Path:
        """Print the machine and the versions, write the JSON file, and return its path."""
        machine = {
            **describe_machine(),
            "load_before": round(self._load_before, 2),
            "load_after": round(os.getloadavg()[0], 2),
        }
        print("\n" + ", ".join(f"{name} {value}" for name, value in machine.items()))
        print(", ".join(f"{name} {version}" for name, version in sorted(self.versions.items())))
        RESULTS.mkdir(parents=True, exist_ok=True)
        path = RESULTS / (f"{self.name}-quick.json" if self.is_quick else f"{self.name}.json")
        content = {
            "bench": self.name,
            "quick": self.is_quick,
            "machine": machine,
            "versions": dict(sorted(self.versions.items())),
            "tables": self.tables,
            "data": self.data,
        }
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        print(f"written: {path.relative_to(CHECKOUT)}")
        return path


def describe_machine() -> dict[str, Any]:
    """Return the processor, its cores, the system, Python, and the day."""
    return {
        "processor": _read_processor_name(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "day": datetime.now(timezone.utc).date().isoformat(),
    }


def _read_processor_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
