"""The view as one file: what the app under test writes cannot leave the JSON that holds it."""

from __future__ import annotations

import json
import re
from collections import Counter
from importlib import resources

import pytest

from pytest_sharedworker import inspector
from pytest_sharedworker.inspector.page import MODULES, embed, make_page

VIEW = resources.files(inspector).joinpath("view")
HOSTILE = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "]]>&amp;",
    "\x00\x1b[2J\x7f\u2028\u2029",
    "\ud800",
    '"\\',
]


@pytest.mark.parametrize("text", HOSTILE, ids=repr)
def test_embedded_text_comes_back_and_has_no_markup(text: str) -> None:
    embedded = embed({"text": text})
    assert json.loads(embedded) == {"text": text}
    assert not re.search(r"[<>&]|[^\x20-\x7e]", embedded)


def test_page_holds_hostile_events_and_title_as_data() -> None:
    event = {"at": 0, "virtual": None, "kind": "console"}
    events = [{**event, "lane": text, "text": text, "details": {text: text}} for text in HOSTILE]
    page = make_page(HOSTILE[0], events)
    assert page.count("<script") == page.count("</script>") == 2
    assert "alert(1)</script>" not in page
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)
    assert json.loads(data)["events"] == events
    page.encode()  # No lone surrogate is left.


def test_page_loads_nothing() -> None:
    page = make_page("title", [])
    assert not re.findall(r'(?:src|href)="(?!data:,")', page)
    assert "default-src 'none'; script-src 'sha256-" in page
    assert "unsafe" not in page
    assert "Resume" not in page  # Nor has it controls, which no test would hear.


def test_modules_of_the_page_share_one_scope() -> None:
    declared: Counter[str] = Counter()
    for name in MODULES:
        text = VIEW.joinpath(name).read_text(encoding="utf-8")
        declared.update(re.findall(r"^(?:export )?(?:const|let|class|function) \{?(\w+)", text, re.MULTILINE))
        for imported in re.findall(r'^import .* from "\./([^"]+)";$', text, re.MULTILINE):
            assert MODULES.index(imported) < MODULES.index(name)
        assert not re.findall(r"^import .*[^;\n]$", text, re.MULTILINE)
    assert not {name: count for name, count in declared.items() if count > 1}
