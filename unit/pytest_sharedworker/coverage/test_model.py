"""V8's counts as lines, sums over runs, and the three formats of the report. No browser."""

from __future__ import annotations

import json
from xml.etree import ElementTree

from pytest_sharedworker.coverage.model import (
    Coverage,
    FileCoverage,
    Function,
    Range,
    make_file_coverage,
    make_original_coverage,
)
from pytest_sharedworker.coverage.report import format_cobertura, format_lcov, format_table
from pytest_sharedworker.source_maps.source_map import SourceMap


def make_function(source: str, *parts: tuple[str, int], name: str = "") -> Function:
    """Return a function over all of `source` that ran once; each part of it ran as often as given."""
    ranges = [Range(0, len(source), 1)]
    for text, count in parts:
        start = source.index(text)
        ranges.append(Range(start, start + len(text), count))
    return Function(name, ranges)


def count_lines(source: str, *parts: tuple[str, int], skip: int = 0) -> dict[int, int]:
    return make_file_coverage("worker.js", source, [make_function(source, *parts)], skip=skip).lines


# --- lines ----------------------------------------------------------------------------------------


def test_count_of_a_line_is_the_highest_of_its_parts() -> None:
    source = "start();\nif (late) { stop(); }\nwhile (more) go();\n"
    assert count_lines(source, ("{ stop(); }", 0), ("go()", 7)) == {1: 1, 2: 1, 3: 7}


def test_innermost_range_counts_in_any_order_of_ranges() -> None:
    source = "f(\n  a(\n    b,\n  ),\n)\n"
    outer = Function("", [Range(0, len(source), 1)])
    middle = Function("middle", [Range(source.index("a("), source.index("),") + 1, 0)])
    inner = Function("inner", [Range(source.index("b"), source.index("b") + 1, 3)])
    for functions in ([outer, middle, inner], [inner, middle, outer]):
        assert make_file_coverage("worker.js", source, functions).lines == {1: 1, 2: 0, 3: 3}


def test_lines_without_code_do_not_count() -> None:
    source = "a();\n\n  // b();\n/* c();\n   d(); */\n});\ne(); // f();\n"
    assert count_lines(source) == {1: 1, 7: 1}


def test_comment_marks_inside_strings_are_code() -> None:
    source = "const a = [\n  '// b',\n  \"/*\",\n  `// c`,\n  '*/',\n];\n"
    assert sorted(count_lines(source)) == [1, 2, 3, 4, 5]


def test_prologue_is_not_counted_and_line_numbers_stay() -> None:
    prologue = "/* prologue */ watch(); "
    source = f"{prologue}a();\nb();\n"
    assert count_lines(source, ("b();", 0), skip=len(prologue)) == {1: 1, 2: 0}


def test_prologue_of_several_lines_keeps_line_numbers() -> None:
    prologue = "watch();\nmore();\n"
    assert count_lines(f"{prologue}a();\nb();\n", ("b();", 0), skip=len(prologue)) == {1: 1, 2: 0}


def test_positions_are_utf_16_units() -> None:
    source = 'const face = "😀😀😀😀";\nif (late)\n  stop();\nend();\n'
    start = len(source[: source.index("stop")].encode("utf-16-le")) // 2
    function = Function("", [Range(0, len(source) + 4, 1), Range(start, start + len("stop();"), 0)])
    assert make_file_coverage("worker.js", source, [function]).lines == {1: 1, 2: 1, 3: 0, 4: 1}


def test_functions_are_listed_by_first_line_and_name() -> None:
    prologue = "function hidden() {} "
    source = f"{prologue}a();\nfunction b() {{}}\n"
    hidden = Function("hidden", [Range(0, len("function hidden() {}"), 5)])
    start = source.index("function b")
    function = Function("b", [Range(start, start + len("function b() {}"), 2)])
    file = make_file_coverage(
        "worker.js", source, [make_function(source), hidden, function], skip=len(prologue)
    )
    assert file.functions == {(2, "b"): 2}


# --- sums -----------------------------------------------------------------------------------------


def cover(source: str, *parts: tuple[str, int], path: str = "worker.js") -> FileCoverage:
    return make_file_coverage(path, source, [make_function(source, *parts, name="main")])


def test_counts_of_two_runs_are_added() -> None:
    coverage = Coverage()
    coverage.add(cover("a();\nb();\n", ("b();", 0)))
    coverage.add(cover("a();\nb();\n", ("a();", 0)))
    (file,) = coverage.files
    assert file.lines == {1: 1, 2: 1}
    assert file.functions == {(1, "main"): 2}


def test_path_with_two_texts_is_two_files() -> None:
    coverage = Coverage()
    for source in ("a();", "b();", "a();"):
        coverage.add(cover(source))
    assert sorted(file.path for file in coverage.files) == ["worker.js", "worker.js#2"]
    assert sorted(file.lines[1] for file in coverage.files) == [1, 2]


def test_script_with_and_without_prologue_is_one_file() -> None:
    coverage = Coverage()
    coverage.add(cover("a();"))
    coverage.add(
        make_file_coverage(
            "worker.js", "watch(); a();", [make_function("watch(); a();")], skip=len("watch(); ")
        )
    )
    (file,) = coverage.files
    assert file.lines == {1: 2}


def test_coverage_of_another_process_is_added() -> None:
    other, own = Coverage(), Coverage()
    other.add(cover("a();\nb();\n", ("b();", 0)))
    own.add(cover("a();\nb();\n"))
    own.add_json(json.loads(json.dumps(other.to_json())))
    (file,) = own.files
    assert file.lines == {1: 2, 2: 1}
    assert file.functions == {(1, "main"): 2}


# --- reports --------------------------------------------------------------------------------------

FILES = [
    FileCoverage("js/a.js", "", {1: 2, 2: 0, 3: 0, 4: 0, 7: 0, 8: 1}, {(1, "f"): 2, (7, "g<h>"): 0}),
    FileCoverage("b.js", "", {1: 1}),
]


BUNDLE = "class C{add(n){n>9&&stop();return n}};new C().add(1);"
"""Lines 1 to 6 of a.ts and line 2 of b.ts."""
MAPPING = {
    "version": 3,
    "sources": ["webpack://app/./src/a.ts", "../lib/b.ts"],
    "names": ["addAll"],
    "mappings": "AAAA,QACEA,OACE,KACE,OAEF,UCJJ",
}


def test_lines_of_a_bundle_are_those_of_its_sources() -> None:
    whole = Function("", [Range(0, 100 + len(BUNDLE), 1)])
    start, end = 100 + BUNDLE.index("add("), 100 + BUNDLE.index("};new")
    late = 100 + BUNDLE.index("stop")
    add = Function("add", [Range(start, end, 1), Range(late, late + len("stop()"), 0)])
    source_map = SourceMap(json.dumps(MAPPING), "http://app.test/js/w.js")
    first, second = make_original_coverage(
        source_map, lambda url: url.rpartition("/")[2], "p" * 100 + BUNDLE, [whole, add], skip=100
    )
    assert (first.path, first.lines) == ("a.ts", {1: 1, 2: 1, 3: 1, 4: 0, 6: 1})
    assert (second.path, second.lines) == ("b.ts", {2: 1})
    assert first.functions == {(2, "addAll"): 1}


def test_table_lists_missing_lines_and_total() -> None:
    assert format_table(FILES) == [
        "file     lines  covered    %  missing",
        "js/a.js      6        2   33  2-4, 7",
        "b.js         1        1  100",
        "TOTAL        7        3   42",
    ]


def test_table_of_one_file_has_no_total() -> None:
    assert len(format_table(FILES[1:])) == 2


def test_percentage_is_100_only_for_full_coverage() -> None:
    file = FileCoverage("a.js", "", {line: int(line > 1) for line in range(1, 1001)})
    assert format_table([file])[1].split() == ["a.js", "1000", "999", "99", "1"]


def test_lcov_lists_functions_lines_and_sums() -> None:
    assert format_lcov(FILES).splitlines() == [
        "TN:",
        *("SF:js/a.js", "FN:1,f", "FN:7,g<h>", "FNDA:2,f", "FNDA:0,g<h>", "FNF:2", "FNH:1"),
        *("DA:1,2", "DA:2,0", "DA:3,0", "DA:4,0", "DA:7,0", "DA:8,1", "LF:6", "LH:2", "end_of_record"),
        *("SF:b.js", "FNF:0", "FNH:0", "DA:1,1", "LF:1", "LH:1", "end_of_record"),
    ]


def test_cobertura_has_packages_for_folders_and_classes_for_files() -> None:
    root = ElementTree.fromstring(format_cobertura(FILES, timestamp_seconds=1.5))
    assert {key: root.get(key) for key in ("lines-covered", "lines-valid", "line-rate", "timestamp")} == {
        "lines-covered": "3",
        "lines-valid": "7",
        "line-rate": "0.4286",
        "timestamp": "1500",
    }
    assert [package.get("name") for package in root.iter("package")] == [".", "js"]
    assert [each.get("filename") for each in root.iter("class")] == ["b.js", "js/a.js"]
    assert [method.get("name") for method in root.iter("method")] == ["f", "g<h>"]
    lines = root.findall(".//class[@filename='js/a.js']/lines/line")
    assert [(line.get("number"), line.get("hits")) for line in lines][:2] == [("1", "2"), ("2", "0")]


def test_run_without_workers_has_reports() -> None:
    assert format_lcov([]) == "TN:\n"
    assert ElementTree.fromstring(format_cobertura([])).get("line-rate") == "1.0000"
