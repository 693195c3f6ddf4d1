"""What each injected trouble raised, and after how long: rows of a page that the tests of the rules check."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from microgrid_core.contract.messages import Severity
from microgrid_core.health.rule import Rule

ROOT: Final = Path(__file__).resolve().parents[4]
PAGE: Final = ROOT / "docs" / "reference" / "rules-checked.md"
COMMAND: Final = ".venv/bin/python -m tests.unit.core.health.write_injected"


@dataclass(frozen=True, slots=True)
class Injected:
    """A trouble that was put into something healthy, and raised its rule alone."""

    rule: Rule
    kind: str
    what: str
    severity: Severity
    took_s: float
    within_s: float

    def row(self) -> str:
        """Return its row of the page."""
        cells = (
            self.rule.id,
            f"`{self.rule.name}`",
            self.kind.replace("_", " "),
            self.what,
            self.severity.value,
            f"{self.took_s:g} s",
            f"{self.within_s:g} s",
        )
        return f"| {' | '.join(cells)} |"


def values_of(values: Mapping[str, object]) -> str:
    """Return what is told, as the page shows it."""
    return ", ".join(f"`{name}` = {value}" for name, value in values.items())


def severities(rules: Collection[Rule]) -> set[tuple[str, Severity]]:
    """Return each rule with each severity that it may raise."""
    return {(rule.id, rule.severity) for rule in rules} | {
        (rule.id, Severity.CRITICAL) for rule in rules if rule.critical is not None
    }


def rows() -> list[str]:
    """Return the rows of the page."""
    lines = PAGE.read_text(encoding="utf-8").splitlines() if PAGE.exists() else []
    return [line for line in lines if line.startswith("| ") and not line.startswith("| Id ")]
