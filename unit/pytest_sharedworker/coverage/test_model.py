"""V8's counts as lines, sums over runs, and the three forms of the report. No browser."""

from __future__ import annotations

import json
from xml.etree import ElementTree

from pytest_sharedworker.coverage.model import Coverage, FileCoverage, Function, Range, file_coverage
from pytest_sharedworker.coverage.report import cobertura, lcov, table


def ran(source: str, *parts: tuple[str, int], name: str = "") -> Function:
    """A function over all of `source`, that ran once; each part of it ran so many times."""
    ranges = [Range(0, len(source), 1)]
    for text, count in parts:
        start = source.index(text)
        ranges.append(Range(start, start + len(text), count))
    return Function(name, ranges)


def lines_of(source: str, *parts: tuple[str, int], skip: int = 0) -> dict[int, int]:
    return file_coverage("worker.js", source, [ran(source, *parts)], skip=skip).lines


# --- lines ----------------------------------------------------------------------------------------


def test_a_line_ran_as_often_as_the_part_of_it_that_ran_most() -> None:
    source = "start();\nif (late) { stop(); }\nwhile (more) go();\n"
    assert lines_of(source, ("{ stop(); }", 0), ("go()", 7)) == {1: 1, 2: 1, 3: 7}


def test_the_innermost_range_counts_in_whatever_order_ranges_come() -> None:
    source = "f(\n  a(\n    b,\n  ),\n)\n"
    outer = Function("", [Range(0, len(source), 1)])
    middle = Function("middle", [Range(source.index("a("), source.index("),") + 1, 0)])
    inner = Function("inner", [Range(source.index("b"), source.index("b") + 1, 3)])
    for functions in ([outer, middle, inner], [inner, middle, outer]):
        assert file_coverage("worker.js", source, functions).lines == {1: 1, 2: 0, 3: 3}


def test_lines_without_code_do_not_count() -> None:
    source = "a();\n\n  // b();\n/* c();\n   d(); */\n});\ne(); // f();\n"
    assert lines_of(source) == {1: 1, 7: 1}


def test_what_looks_like_a_comment_in_a_string_is_code() -> None:
    source = "const a = [\n  '// b',\n  \"/*\",\n  `// c`,\n  '*/',\n];\n"
    assert sorted(lines_of(source)) == [1, 2, 3, 4, 5]


def test_what_stands_in_front_of_the_script_is_left_out_and_lines_stay_the_scripts() -> None:
    prologue = "/* prologue */ watch(); "
    source = f"{prologue}a();\nb();\n"
    assert lines_of(source, ("b();", 0), skip=len(prologue)) == {1: 1, 2: 0}


def test_a_prologue_of_several_lines_shifts_nothing() -> None:
    prologue = "watch();\nmore();\n"
    assert lines_of(f"{prologue}a();\nb();\n", ("b();", 0), skip=len(prologue)) == {1: 1, 2: 0}


def test_positions_are_counted_in_utf_16_units_as_v8_does() -> None:
    source = 'const face = "😀😀😀😀";\nif (late)\n  stop();\nend();\n'
    start = len(source[: source.index("stop")].encode("utf-16-le")) // 2
    function = Function("", [Range(0, len(source) + 4, 1), Range(start, start + len("stop();"), 0)])
    assert file_coverage("worker.js", source, [function]).lines == {1: 1, 2: 1, 3: 0, 4: 1}


def test_functions_are_known_by_their_first_line_and_name() -> None:
    prologue = "function hidden() {} "
    source = f"{prologue}a();\nfunction b() {{}}\n"
    hidden = Function("hidden", [Range(0, len("function hidden() {}"), 5)])
    start = source.index("function b")
    function = Function("b", [Range(start, start + len("function b() {}"), 2)])
    file = file_coverage("worker.js", source, [ran(source), hidden, function], skip=len(prologue))
    assert file.functions == {(2, "b"): 2}


# --- sums -----------------------------------------------------------------------------------------


def run_of(source: str, *parts: tuple[str, int], path: str = "worker.js") -> FileCoverage:
    return file_coverage(path, source, [ran(source, *parts, name="main")])


def test_runs_of_one_text_add_up() -> None:
    coverage = Coverage()
    coverage.add(run_of("a();\nb();\n", ("b();", 0)))
    coverage.add(run_of("a();\nb();\n", ("a();", 0)))
    (file,) = coverage.files
    assert file.lines == {1: 1, 2: 1}
    assert file.functions == {(1, "main"): 2}


def test_a_path_with_two_texts_is_two_files() -> None:
    coverage = Coverage()
    for source in ("a();", "b();", "a();"):
        coverage.add(run_of(source))
    assert sorted(file.path for file in coverage.files) == ["worker.js", "worker.js#2"]
    assert sorted(file.lines[1] for file in coverage.files) == [1, 2]


def test_a_prologue_does_not_make_two_files_of_one_script() -> None:
    coverage = Coverage()
    coverage.add(run_of("a();"))
    coverage.add(file_coverage("worker.js", "watch(); a();", [ran("watch(); a();")], skip=len("watch(); ")))
    (file,) = coverage.files
    assert file.lines == {1: 2}


def test_what_one_process_sends_adds_up_in_another() -> None:
    there, here = Coverage(), Coverage()
    there.add(run_of("a();\nb();\n", ("b();", 0)))
    here.add(run_of("a();\nb();\n"))
    here.add_json(json.loads(json.dumps(there.to_json())))
    (file,) = here.files
    assert file.lines == {1: 2, 2: 1}
    assert file.functions == {(1, "main"): 2}


# --- reports --------------------------------------------------------------------------------------

FILES = [
    FileCoverage("js/a.js", "", {1: 2, 2: 0, 3: 0, 4: 0, 7: 0, 8: 1}, {(1, "f"): 2, (7, "g<h>"): 0}),
    FileCoverage("b.js", "", {1: 1}),
]


def test_the_table_names_missing_lines_and_the_total() -> None:
    assert table(FILES) == [
        "file     lines  covered    %  missing",
        "js/a.js      6        2   33  2-4, 7",
        "b.js         1        1  100",
        "TOTAL        7        3   42",
    ]


def test_the_total_of_one_file_is_left_out() -> None:
    assert len(table(FILES[1:])) == 2


def test_one_line_of_a_thousand_keeps_a_file_from_100_percent() -> None:
    file = FileCoverage("a.js", "", {line: int(line > 1) for line in range(1, 1001)})
    assert table([file])[1].split() == ["a.js", "1000", "999", "99", "1"]


def test_lcov_lists_functions_lines_and_sums() -> None:
    assert lcov(FILES).splitlines() == [
        "TN:",
        *("SF:js/a.js", "FN:1,f", "FN:7,g<h>", "FNDA:2,f", "FNDA:0,g<h>", "FNF:2", "FNH:1"),
        *("DA:1,2", "DA:2,0", "DA:3,0", "DA:4,0", "DA:7,0", "DA:8,1", "LF:6", "LH:2", "end_of_record"),
        *("SF:b.js", "FNF:0", "FNH:0", "DA:1,1", "LF:1", "LH:1", "end_of_record"),
    ]


def test_cobertura_has_a_package_a_folder_and_a_class_a_file() -> None:
    root = ElementTree.fromstring(cobertura(FILES, timestamp_seconds=1.5))
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


def test_a_run_without_workers_has_reports_too() -> None:
    assert lcov([]) == "TN:\n"
    assert ElementTree.fromstring(cobertura([])).get("line-rate") == "1.0000"
