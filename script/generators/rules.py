"""Writes docs/reference/rules.md from the table of rules in core/health."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable

from microgrid_core.health.advice import ADVICE
from microgrid_core.health.rule import Comparator, Rule
from microgrid_core.health.rules import all_rules

from .kept import ROOT, keep, run_generator

TARGET = ROOT / "docs" / "reference" / "rules.md"

HEAD = """# Rules

Everything that is judged by itself, generated from `custom_components/microgrid/core/health` by
`script/generate rules`. How rules work, and what they cannot see, is told in [Health](../health.md).

- **Condition**: what is watched and when it is out of order; *critical* from the second threshold on; *over*
  when it is back at the value named. The gate, after *only while*, tells when the rule may judge.
- **For**: how long that must last. **Within**: after so long it is raised at the latest, given the rhythm in
  which it is judged (its tier of 10, 60 or 300 s). Counts and sums over a window need their time besides.
- **Not with**: rules that say it better; this one keeps quiet while one of them is pending or raised.
- *off*: to be switched on by whoever wants it.
"""

CHAPTERS: tuple[tuple[str, Callable[[Rule], bool]], ...] = (
    ("Victron GX: critical", lambda rule: rule.scopes[0].startswith("gx:") and rule.id[0] == "C"),
    ("Victron GX: warnings", lambda rule: rule.scopes[0].startswith("gx:") and rule.id[0] == "W"),
    ("Victron GX: from the field", lambda rule: rule.scopes[0].startswith("gx:") and rule.id[0] == "X"),
    ("Degradation", lambda rule: rule.scopes[0].startswith("trend:")),
    ("Houses", lambda rule: rule.scopes[0] == "house"),
    ("Gateways", lambda rule: rule.scopes[0] == "gateway"),
    ("Heat pumps", lambda rule: rule.scopes[0] == "heat_pump"),
    ("MPP inverters", lambda rule: rule.scopes[0] == "mpp_inverter"),
    ("Pi batteries", lambda rule: rule.scopes[0] == "battery"),
)
COLUMNS = ("Id", "Rule", "Condition", "For", "Within", "Severity", "Not with", "Advice")


def _seconds(value: float) -> str:
    if value < 120.0:
        return f"{value:g} s"
    return f"{value / 60.0:g} min" if value < 7200.0 else f"{value / 3600.0:g} h"


def _condition(rule: Rule) -> str:
    unit = f" {rule.quantity.unit}" if rule.quantity.unit else ""
    flag = rule.comparator is Comparator.AT_LEAST and rule.threshold == 1.0 and rule.clear == 0.0 and not unit
    counted = rule.quantity.memory is not None or "modules" in rule.quantity.text
    if flag and rule.critical is None and not counted:
        text = rule.quantity.text
    else:
        text = f"{rule.quantity.text} {rule.comparator} {rule.threshold:g}{unit}"
        if rule.critical is not None:
            text += f", critical {rule.comparator} {rule.critical:g}{unit}"
        text += f"; over at {rule.clear:g}{unit}"
    if rule.gate is not None:
        text += f"; only while {rule.gate.text}"
    return text


def latest_s(rule: Rule) -> float:
    """Return after how long a rule is raised at the latest."""
    return (math.ceil(rule.duration_s / rule.tier_s) + 1) * rule.tier_s


def _row(rule: Rule) -> str:
    cells = (
        rule.id,
        f"`{rule.name}`" + ("" if rule.enabled else " *off*"),
        _condition(rule),
        _seconds(rule.duration_s) if rule.duration_s else "at once",
        _seconds(latest_s(rule)),
        rule.severity.value + ("" if rule.critical is None else ", critical"),
        ", ".join(rule.covered_by),
        ADVICE[rule.advice],
    )
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def render() -> str:
    """Return the page."""
    lines = [HEAD]
    left = list(all_rules())
    for title, belongs in CHAPTERS:
        rules = [rule for rule in left if belongs(rule)]
        left = [rule for rule in left if rule not in rules]
        lines += [f"## {title}", "", f"| {' | '.join(COLUMNS)} |", f"|{'---|' * len(COLUMNS)}"]
        lines += [*map(_row, rules), ""]
    if left:
        raise ValueError(f"no chapter for {', '.join(rule.id for rule in left)}; add one to CHAPTERS")
    return "\n".join(lines)


def main(check: bool) -> int:
    """Write the page, or with `check` only compare; return the exit status."""
    return keep({TARGET: render()}, "core/health", "rules", check=check)


if __name__ == "__main__":
    sys.exit(run_generator(__doc__, main))
