"""The keys that the TOML files of workers and servers share."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from e2e.conformance.targets.toml_file import Table, check_case_ids, check_reasons


class TargetTable(Table, frozen=True, kw_only=True):
    """The keys at the top of a target's TOML file.

    `known_deviations`: case id = why the case does not hold. `only_cases`: ids; no other cases run.
    """

    name: str
    description: str = ""
    # A value that is not a text is reported with its case id by `check_reasons`; msgspec does not name it.
    known_deviations: dict[str, object] = msgspec.field(default_factory=dict)
    only_cases: list[str] = msgspec.field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_name(self.name)
        check_reasons(self.known_deviations, "known_deviations.")
        check_case_ids("only_cases", self.only_cases)

    def get_known_deviations(self) -> Mapping[str, str]:
        """Return the reason by case id."""
        return MappingProxyType({case_id: str(reason) for case_id, reason in self.known_deviations.items()})


def check_name(name: str) -> None:
    """Raise ValueError unless the text can be the name of a target in reports and test ids."""
    if not name.isprintable() or name != name.strip() or not name or "/" in name:
        raise ValueError(f"name: expected printable text without a slash or outer spaces, not {name!r}")
