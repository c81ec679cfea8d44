"""junit.xml beside results.json, for CI systems that show tests: a suite an implementation, a test a case.

| verdict | in the file |
|---|---|
| ok | a test that passed |
| failed, or a known deviation that holds by now | a failure, because the run does not succeed |
| non-strict | a test that passed, with what was seen in system-out and as a property |
| unimplemented | a test that was skipped |
"""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from e2e.conformance.case import Verdict
from e2e.conformance.report.atomic_write import write_atomically
from e2e.conformance.report.results import Results
from e2e.conformance.report.verdicts import CaseResult

JUNIT_FILE = "junit.xml"
RUN_SUITE = "the run"

# XML 1.0 has no place for these, not even as references.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(book: Results, directory: Path) -> Path:
    """Write junit.xml into the folder."""
    path = directory / JUNIT_FILE
    write_atomically(path, junit(book))
    return path


def junit(book: Results) -> str:
    """The file as text. What keeps a run from being whole is an error of a suite of its own."""
    root = Element("testsuites", name="conformance")
    for name in book.implementations:
        suite = SubElement(root, "testsuite", name=_text(name))
        for judged in book.of(name):
            _add_case(suite, judged)
        _count(suite, sum(judged.seconds for judged in book.of(name)))
    if book.problems:
        suite = SubElement(root, "testsuite", name=RUN_SUITE)
        for problem in book.problems:
            test = SubElement(suite, "testcase", classname=RUN_SUITE, name="is whole", time="0.000")
            SubElement(test, "error", message=_text(problem))
        _count(suite, 0.0)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=False) + "\n"


def _add_case(suite: Element, judged: CaseResult) -> None:
    test = SubElement(
        suite,
        "testcase",
        classname=_text(f"{judged.implementation}.{judged.id.rsplit('/', 2)[0]}"),
        name=judged.id,
        time=f"{judged.seconds:.3f}",
    )
    properties = SubElement(test, "properties")
    values = {
        "level": judged.level.value,
        "verdict": judged.verdict.value if judged.verdict else "",
        "requirement": judged.requirement,
        "source": judged.source,
        "known_deviation": judged.known_deviation,
    }
    for name, value in values.items():
        if value is not None:
            SubElement(properties, "property", name=name, value=_text(value))
    if judged.stale_deviation:
        SubElement(test, "failure", message="holds now: remove it from known_deviations")
    elif judged.verdict is Verdict.FAILED:
        first_line = judged.actual.partition("\n")[0]
        SubElement(test, "failure", message=_text(first_line)).text = _text(account_of(judged))
    elif judged.verdict is Verdict.NON_STRICT:
        SubElement(test, "system-out").text = _text(account_of(judged))
    elif judged.verdict is Verdict.UNIMPLEMENTED:
        SubElement(test, "skipped", message=_text(judged.actual))


def account_of(judged: CaseResult) -> str:
    """What a case that does not hold required, expected and saw, then its timeline, as lines."""
    lines = [f"requirement: {judged.requirement}", f"expected: {judged.expected}", f"actual: {judged.actual}"]
    lines += [f"known deviation: {judged.known_deviation}"] if judged.known_deviation else []
    return "\n".join([*lines, *(judged.timeline.lines() if judged.timeline else ())])


def _count(suite: Element, seconds: float) -> None:
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(len(suite.findall(f"testcase/{tag}"))))
    suite.set("tests", str(len(suite.findall("testcase"))))
    suite.set("time", f"{seconds:.3f}")


def _text(text: str) -> str:
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)
