"""Titles of workers for people."""

from __future__ import annotations

import pytest

from pytest_sharedworker.control.titles import describe_worker


@pytest.mark.parametrize(
    ("name", "url", "title"),
    [
        ("queue", "http://127.0.0.1:8000/worker.js", "worker 'queue'"),
        ("", "http://127.0.0.1:8000/static/worker.js?v=2#x", "worker 'worker.js'"),
        ("", "https://app.example.test/", "worker 'https://app.example.test/'"),
        (
            "",
            "data:text/javascript,onconnect = () => undefined",
            "worker 'data:text/javascript,onconnect = () => …'",
        ),
        ("n" * 60, "http://127.0.0.1:8000/worker.js", f"worker '{'n' * 60}'"),
    ],
)
def test_title_is_the_name_or_the_file(name: str, url: str, title: str) -> None:
    assert describe_worker(name, url) == title
