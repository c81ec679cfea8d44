"""The copies of timeline.html: their names, their bounds, and that they belong to one run."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.conformance.report import timeline_files
from e2e.conformance.report.timeline_files import TimelineFiles


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "test-results" / "timeline.html"
    file.parent.mkdir()
    file.write_text("x" * 100)
    return file


def test_copy_stays_where_the_name_allows_no_other_folder(tmp_path: Path, source: Path) -> None:
    files = TimelineFiles(tmp_path)
    files.add("../../two & <b> (firefox)", "server/ingest/1/2", source)
    links = files.finish()
    assert links == {
        ("../../two & <b> (firefox)", "server/ingest/1/2"): (
            "timelines/server-ingest-1-2.on...-..-two-b-firefox-.html"
        )
    }
    ((_, link),) = links.items()
    assert (tmp_path / link).read_text() == source.read_text()


def test_files_of_earlier_runs_are_deleted_and_no_others(tmp_path: Path, source: Path) -> None:
    earlier = TimelineFiles(tmp_path)
    earlier.add("one", "flush/1/1", source)
    earlier.add("one", "flush/1/2", source)
    earlier.finish()
    (tmp_path / "timelines" / "notes.html").write_text("a person's")
    files = TimelineFiles(tmp_path)
    files.add("one", "flush/1/2", source)
    files.finish()
    names = sorted(path.name for path in (tmp_path / "timelines").iterdir())
    assert names == ["flush-1-2.on.one.html", "notes.html"]


def test_run_without_failures_creates_no_folder(tmp_path: Path) -> None:
    assert TimelineFiles(tmp_path).finish() == {}
    assert list(tmp_path.iterdir()) == []


def test_names_that_look_alike_keep_the_first(tmp_path: Path, source: Path) -> None:
    files = TimelineFiles(tmp_path)
    files.add("a b", "flush/1/1", source)
    files.add("a&b", "flush/1/1", source)
    assert list(files.finish()) == [("a b", "flush/1/1")]


@pytest.mark.parametrize(
    ("name", "limit", "kept"), [("MAX_FILES", 2, 2), ("MAX_FILE_BYTES", 99, 0), ("MAX_TOTAL_BYTES", 199, 1)]
)
def test_files_are_bounded(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch, name: str, limit: int, kept: int
) -> None:
    monkeypatch.setattr(timeline_files, name, limit)
    files = TimelineFiles(tmp_path)
    for number in range(1, 5):
        files.add("one", f"flush/1/{number}", source)
    assert len(files.finish()) == kept


def test_file_that_is_gone_has_no_link(tmp_path: Path) -> None:
    files = TimelineFiles(tmp_path)
    files.add("one", "flush/1/1", tmp_path / "absent.html")
    assert files.finish() == {}
