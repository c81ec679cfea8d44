"""Format the coverage of worker scripts as a table, as LCOV and as Cobertura's XML."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import groupby
from pathlib import PurePosixPath
from xml.etree import ElementTree

from pytest_sharedworker.coverage.model import FileCoverage

LCOV_FILE = "worker-coverage.info"
COBERTURA_FILE = "worker-coverage.xml"
_DOCTYPE = '<!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd">'


def format_table(files: Sequence[FileCoverage]) -> list[str]:
    """Return the lines of the terminal's table: file, lines, covered, percent, missing lines."""
    width = max([len(file.path) for file in files] + [len("TOTAL")])
    lines = [f"{'file':{width}}  lines  covered    %  missing"]
    for file in files:
        lines.append(
            _format_row(width, file.path, len(file.lines), file.covered, _format_spans(file.missing))
        )
    if len(files) > 1:
        total = sum(len(file.lines) for file in files)
        lines.append(_format_row(width, "TOTAL", total, sum(file.covered for file in files), ""))
    return lines


def format_lcov(files: Sequence[FileCoverage]) -> str:
    """Return a tracefile of LCOV, as `man geninfo` describes it."""
    lines = ["TN:"]
    for file in files:
        functions = sorted(file.functions.items())
        lines.append(f"SF:{file.path}")
        lines += [f"FN:{line},{name}" for (line, name), _ in functions]
        lines += [f"FNDA:{hits},{name}" for (_, name), hits in functions]
        lines += [f"FNF:{len(functions)}", f"FNH:{sum(1 for _, hits in functions if hits)}"]
        lines += [f"DA:{line},{hits}" for line, hits in sorted(file.lines.items())]
        lines += [f"LF:{len(file.lines)}", f"LH:{file.covered}", "end_of_record"]
    return "\n".join(lines) + "\n"


def format_cobertura(files: Sequence[FileCoverage], *, timestamp_seconds: float | None = None) -> str:
    """Return Cobertura's XML (DTD version 04): one package for each folder, one class for each file."""
    when = time.time() if timestamp_seconds is None else timestamp_seconds
    root = ElementTree.Element("coverage", _make_rates(files), version="1", timestamp=str(int(when * 1000)))
    root.attrib |= {
        "lines-covered": str(sum(file.covered for file in files)),
        "lines-valid": str(sum(len(file.lines) for file in files)),
        "branches-covered": "0",
        "branches-valid": "0",
        "complexity": "0",
    }
    ElementTree.SubElement(ElementTree.SubElement(root, "sources"), "source").text = "."
    packages = ElementTree.SubElement(root, "packages")
    for folder, members in groupby(
        sorted(files, key=_get_folder_and_path), key=lambda file: _get_folder(file)
    ):
        inside = list(members)
        package = ElementTree.SubElement(
            packages, "package", _make_rates(inside), name=folder, complexity="0"
        )
        classes = ElementTree.SubElement(package, "classes")
        for file in inside:
            _add_class(classes, file)
    ElementTree.indent(root)
    return f'<?xml version="1.0" ?>\n{_DOCTYPE}\n{ElementTree.tostring(root, encoding="unicode")}\n'


def _add_class(classes: ElementTree.Element, file: FileCoverage) -> None:
    name = PurePosixPath(file.path).name
    element = ElementTree.SubElement(
        classes, "class", _make_rates([file]), name=name, filename=file.path, complexity="0"
    )
    methods = ElementTree.SubElement(element, "methods")
    for (line, function), hits in sorted(file.functions.items()):
        rate = "1" if hits else "0"
        method = ElementTree.SubElement(methods, "method", name=function, signature="()", complexity="0")
        method.attrib |= {"line-rate": rate, "branch-rate": "0"}
        _add_line(ElementTree.SubElement(method, "lines"), line, hits)
    lines = ElementTree.SubElement(element, "lines")
    for line, hits in sorted(file.lines.items()):
        _add_line(lines, line, hits)


def _add_line(lines: ElementTree.Element, number: int, hits: int) -> None:
    ElementTree.SubElement(lines, "line", number=str(number), hits=str(hits))


def _make_rates(files: Sequence[FileCoverage]) -> dict[str, str]:
    valid = sum(len(file.lines) for file in files)
    rate = sum(file.covered for file in files) / valid if valid else 1.0
    return {"line-rate": f"{rate:.4f}", "branch-rate": "0"}


def _get_folder(file: FileCoverage) -> str:
    return str(PurePosixPath(file.path).parent)


def _get_folder_and_path(file: FileCoverage) -> tuple[str, str]:
    return _get_folder(file), file.path


def _format_row(width: int, name: str, lines: int, covered: int, missing: str) -> str:
    percent = 100 * covered // lines if lines else 100  # Rounded down: only full coverage is 100.
    return f"{name:{width}}  {lines:5}  {covered:7}  {percent:3}  {missing}".rstrip()


def _format_spans(numbers: Sequence[int]) -> str:
    """Return ordered numbers as text: "1-3, 7" for 1, 2, 3, 7."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)
