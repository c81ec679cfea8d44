"""Hooks of the documentation site: files of the checkout outside of docs/, and what pages load.

README, CONTRIBUTING, SECURITY and CHANGELOG are pages of the site. Every other file or folder that a page
links to gets a page with its text, so that each link that works in a checkout works in the site.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

CHECKOUT = Path(__file__).resolve().parents[1]
DOCS = "docs"
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
}
"""Pages of the site by their file in the checkout."""
_PAGE_ORIGINS = {page: origin for origin, page in PAGES.items()}
_SOURCES = "source"
_LINK = re.compile(r"(\]\()(?![a-z]+:|#)([^)#\s]+)(#[^)\s]*)?(\))")
_CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_LANGUAGES = {".py": "python", ".js": "js", ".ts": "ts", ".toml": "toml", ".html": "html", ".yml": "yaml"}
_LOADED = re.compile(
    r"""<(?:script|img|iframe)\b[^>]*\bsrc=["']?(?:https?:)?//"""
    r"""|<link\b[^>]*\brel=["']?(?:stylesheet|preload|preconnect)\b[^>]*\bhref=["']?(?:https?:)?//"""
)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files of the checkout that the site shows."""
    for origin, page in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(CHECKOUT / origin)))
    for origin in sorted(_find_sources(files)):
        files.append(File.generated(config, _get_page(origin), content=_show(CHECKOUT / origin)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrite the links that leave docs/, to the pages of their targets."""
    if page.file.src_uri.startswith(f"{_SOURCES}/"):
        return markdown
    return rewrite_links(markdown, page.file.src_uri)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Name the search dialog for screen readers. Raise PluginError if a page loads from another host."""
    found = _LOADED.search(output)
    if found is not None:
        raise PluginError(f"{page.file.src_uri} loads a file from another host: {found.group()}")
    return output.replace('role="dialog"', 'role="dialog" aria-label="Search"')


def _find_sources(files: Files) -> set[str]:
    """Return the paths in the checkout to which pages link and that are no pages of the site."""
    found = set()
    for file in files.documentation_pages():
        for match in _LINK.finditer(_CODE.sub("", file.content_string)):
            origin = _resolve(file.src_uri, match[2])
            if not origin.startswith(f"{DOCS}/") and origin not in PAGES and (CHECKOUT / origin).exists():
                found.add(origin)
    return found


def rewrite_links(markdown: str, page: str) -> str:
    """Return the text of a page of the site with the links to files as links to their pages."""

    def rewrite(match: re.Match[str]) -> str:
        before, link, anchor, after = match.groups(default="")
        target = _get_page(_resolve(page, link))
        return f"{before}{posixpath.relpath(target, posixpath.dirname(page) or '.')}{anchor}{after}"

    # Only what stands between code blocks.
    parts = re.split(f"({_CODE.pattern})", markdown, flags=_CODE.flags)
    return "".join(_LINK.sub(rewrite, part) if number % 2 == 0 else part for number, part in enumerate(parts))


def _resolve(page: str, link: str) -> str:
    """Return the path in the checkout to which a page of the site links."""
    origin = _PAGE_ORIGINS.get(page, f"{DOCS}/{page}")
    return posixpath.normpath(posixpath.join(posixpath.dirname(origin), link))


def _get_page(origin: str) -> str:
    """Return the path in the site of a file of the checkout."""
    if origin in PAGES:
        return PAGES[origin]
    if origin.startswith(f"{DOCS}/"):
        return origin.removeprefix(f"{DOCS}/")
    return f"{_SOURCES}/{origin.replace('.', '-').replace('/', '-')}.md"


def _show(path: Path) -> str:
    name = path.relative_to(CHECKOUT).as_posix()
    files = sorted(each for each in path.rglob("*") if each.suffix in _LANGUAGES) if path.is_dir() else [path]
    blocks = [f"# `{name}`"]
    for each in files:
        if path.is_dir():
            blocks.append(f"## `{each.relative_to(path).as_posix()}`")
        language = _LANGUAGES.get(each.suffix, "text")
        blocks.append(f"`````{language}\n{each.read_text(encoding='utf-8')}\n`````")
    return "\n\n".join(blocks)
