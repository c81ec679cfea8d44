"""Print the page of the documentation that lists all cases.

.venv/bin/python -m e2e.conformance.case_page > docs/cases.md
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from e2e.conformance.case import Case, get_family
from e2e.conformance.cli import list_cases
from e2e.conformance.report.page_model import SERVER_FAMILIES

INTRODUCTION = """# Cases

What `scripts/verify` asks of a worker and of a server: {workers} cases for workers, {servers} for servers.
How binding is a requirement? It is required by the protocol (MUST), safe (SHOULD) or convenient (MAY). The
name of a family is a prefix for `--case`. What the cases found in shipped workers and servers is in
[Findings](findings.md); how they are run on another implementation, in
[Your own worker or server](how-to/own-implementation.md).
"""


def format_page(cases: Iterable[Case]) -> str:
    """Return the page, with a table for each family, those of servers last."""
    cases = sorted(cases, key=_is_of_servers)
    servers = sum(map(_is_of_servers, cases))
    parts = [INTRODUCTION.format(workers=len(cases) - servers, servers=servers)]
    for family, members in groupby(cases, key=lambda case: get_family(case.id)):
        parts += [f"\n## {family}\n", "| case | level | requirement | expected |", "|---|---|---|---|"]
        parts += [
            f"| `{case.id}` | {case.level.value} | {_format(case.requirement)} | {_format(case.expected)} |"
            for case in members
        ]
    return "\n".join(parts) + "\n"


def _is_of_servers(case: Case) -> bool:
    return case.id.startswith(SERVER_FAMILIES)


def _format(text: str) -> str:
    # In a cell of a table, and as text: requirements name things like `<script>` and `a|b`.
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
    return "".join(f"\\{sign}" if sign in "*_[]`" else sign for sign in escaped)


if __name__ == "__main__":
    print(format_page(list_cases()), end="")
