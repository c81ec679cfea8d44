"""junit.xml, for CI systems that show tests: one suite for each implementation, one test for each case.

| verdict | in the file |
|---|---|
| ok | a test that passed |
| failed, or ok with a stale known deviation | a failure, because the run is not successful |
| non-strict | a test that passed, with the observations in system-out and as a property |
| inconclusive | a failure for a MUST, because the run is not successful; else a skipped test |
| unimplemented | a skipped test |
"""

from __future__ import annotations

import re
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from e2e.conformance.case import Verdict, get_family
from e2e.conformance.report.report_format import FileFormat, ReportContext
from e2e.conformance.report.results import Results
from e2e.conformance.report.verdicts import STALE_ADVICE, CaseResult

JUNIT_FILE = "junit.xml"
RUN_SUITE = "the run"

# XML 1.0 cannot contain these characters, not even as references.
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def build_junit(results: Results) -> str:
    """Return the file's text. Each reason why a run is incomplete is an error of a separate suite."""
    root = Element("testsuites", name="conformance")
    for name in results.implementations:
        suite = SubElement(root, "testsuite", name=_to_xml_text(name))
        for result in results.get_results(name):
            _add_case(suite, result)
        _set_counts(suite, sum(result.seconds for result in results.get_results(name)))
    if results.problems:
        suite = SubElement(root, "testsuite", name=RUN_SUITE)
        for problem in results.problems:
            test = SubElement(suite, "testcase", classname=RUN_SUITE, name="is complete", time="0.000")
            SubElement(test, "error", message=_to_xml_text(problem))
        _set_counts(suite, 0.0)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=False) + "\n"


def _render(results: Results, context: ReportContext) -> str:
    return build_junit(results)


FORMAT = FileFormat("junit", JUNIT_FILE, _render)


def _add_case(suite: Element, result: CaseResult) -> None:
    test = SubElement(
        suite,
        "testcase",
        classname=_to_xml_text(f"{result.implementation}.{get_family(result.id)}"),
        name=result.id,
        time=f"{result.seconds:.3f}",
    )
    properties = SubElement(test, "properties")
    values = {
        "level": result.level.value,
        "verdict": result.verdict.value if result.verdict else "",
        "requirement": result.requirement,
        "source": result.source,
        "known_deviation": result.known_deviation,
    }
    for name, value in values.items():
        if value is not None:
            SubElement(properties, "property", name=name, value=_to_xml_text(value))
    if result.stale_deviation:
        SubElement(test, "failure", message=STALE_ADVICE)
    elif result.fails_run:
        first_line = result.actual.partition("\n")[0]
        failure = SubElement(test, "failure", message=_to_xml_text(first_line))
        failure.text = _to_xml_text(_describe(result))
    elif result.verdict is Verdict.NON_STRICT:
        SubElement(test, "system-out").text = _to_xml_text(_describe(result))
    elif result.verdict in (Verdict.UNIMPLEMENTED, Verdict.INCONCLUSIVE):
        SubElement(test, "skipped", message=_to_xml_text(result.actual))


def _describe(result: CaseResult) -> str:
    """Return requirement, expected and actual of a case that does not pass, then its timeline, as lines."""
    lines = [
        f"requirement: {result.requirement}",
        f"expected: {result.expected}",
        f"actual: {result.actual}",
    ]
    lines += [f"known deviation: {result.known_deviation}"] if result.known_deviation else []
    return "\n".join([*lines, *(result.timeline.format_lines() if result.timeline else ())])


def _set_counts(suite: Element, seconds: float) -> None:
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(len(suite.findall(f"testcase/{tag}"))))
    suite.set("tests", str(len(suite.findall("testcase"))))
    suite.set("time", f"{seconds:.3f}")


def _to_xml_text(text: str) -> str:
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)
