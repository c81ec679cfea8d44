"""The links of the documentation site.

Not covered: that the site builds and that its links have targets. `scripts/check` builds it.
"""

from __future__ import annotations

import pytest

from docs.site_hooks import rewrite_links


@pytest.mark.parametrize(
    ("origin", "link", "expected"),
    [
        ("index.md", "docs/plugin.md", "plugin.md"),
        ("index.md", "docs/browsers.md#versions", "browsers.md#versions"),
        ("index.md", "CONTRIBUTING.md", "contributing.md"),
        ("index.md", "docs/results.schema.json", "results.schema.json"),
        ("index.md", "examples/counter", "source/examples-counter.md"),
        ("plugin.md", "../README.md#limits", "index.md#limits"),
        ("plugin.md", "inspector.md", "inspector.md"),
        ("how-to/docker.md", "../plugin.md", "../plugin.md"),
        ("how-to/docker.md", "../../README.md", "../index.md"),
        ("how-to/docker.md", "../../scripts/setup", "../source/scripts-setup.md"),
        ("plugin.md", "#artifacts", "#artifacts"),
        ("plugin.md", "https://example.test/a.md", "https://example.test/a.md"),
    ],
)
def test_link_leads_to_the_page_of_its_file(origin: str, link: str, expected: str) -> None:
    assert rewrite_links(f"See [it]({link}).", origin) == f"See [it]({expected})."


def test_code_is_not_changed() -> None:
    text = "```python\nvalues[0](docs/plugin.md)\n```\n"
    assert rewrite_links(text, "index.md") == text
