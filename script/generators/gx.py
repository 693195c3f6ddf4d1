"""Writes docs/reference/gx.md from the table of Victron paths in core/gx."""

from __future__ import annotations

import sys
from itertools import groupby

from microgrid_core.gx.control import CONTROLS, Control
from microgrid_core.gx.enums import ENUMS
from microgrid_core.gx.redact import hidden
from microgrid_core.gx.table import ANY_SERVICE, PathFact, table

from .kept import ROOT, keep, run_generator

TARGET = ROOT / "docs" / "reference" / "gx.md"

HEAD = """# Victron GX: paths

What the project knows of the values of a Victron GX. Generated from
`custom_components/microgrid/core/gx/paths.csv` by `script/generate gx`. Paths that are not in this table are
kept and can be read all the same; they only have no unit and no meaning.

- **Path**: as on the D-Bus, in topics after `N/<portal id>/<service>/<instance>`. `{phase}` is `L1`, `L2` or
  `L3`, `{n}` any number, `{day}` 0 for today to 30, `{slot}` 0 to 4.
- **Unit**: values are not scaled, unlike Modbus registers. Names such as `alarm` are enumerations, see below.
- **Tier**: how often, in seconds, the value is judged and published.
- **Shown**: whether it is enabled at first; *hidden* marks what diagnostics leave out.
- **Write**: *yes* for what this project may write if you allow it, *GX* for what the GX would take and we
  never write.

A value that is empty is not valid: the device does not measure it, or has no such part.
"""
_CONTROL = {(control.service, control.path): control for control in CONTROLS}
_NUMBERS_IN_A_ROW = 12


def _write(fact: PathFact) -> str:
    if (fact.service, fact.path) in _CONTROL:
        return "yes"
    return "GX" if fact.writable else ""


def _row(fact: PathFact) -> str:
    unit = f"[`{fact.enum}`](#{fact.enum})" if fact.enum else (fact.unit or fact.kind.value)
    shown = ", ".join((["yes"] if fact.enabled else []) + (["hidden"] if hidden(fact.path) else []))
    cells = (
        f"`{fact.path}`",
        f"{fact.name}. {fact.note}" if fact.note else fact.name,
        unit,
        fact.area.value.replace("_", " "),
        f"{fact.tier_s}",
        shown,
        _write(fact),
    )
    return f"| {' | '.join(cells)} |"


def _limits(control: Control) -> str:
    given_up = "null" if control.release is None else f"{control.release}"
    cells = (
        control.service,
        f"`{control.path}`",
        f"{control.minimum:g} … {control.maximum:g}",
        "whole numbers" if control.integer else "numbers",
        given_up if control.override else "",
    )
    return f"| {' | '.join(cells)} |"


def _enum(name: str) -> list[str]:
    """Return what the numbers mean; several that mean the same stand together."""
    meanings: dict[str, list[int]] = {}
    for number, text in ENUMS[name].items():
        meanings.setdefault(text, []).append(number)
    told = [f"{', '.join(map(str, numbers))} = `{text}`" for text, numbers in meanings.items()]
    lines = [f"### {name}", ""]
    if len(told) <= _NUMBERS_IN_A_ROW:
        return [*lines, "; ".join(told), ""]
    return [*lines, *(f"- {text}" for text in told), ""]


def render() -> str:
    """Return the page."""
    lines = [HEAD, "## What may be written", ""]
    lines += [
        "Off until it is switched on for a station. The limits of the device hold as well; each write is",
        "confirmed by reading it back within 5 seconds. Overrides end when nobody minds them any more.",
        "",
        "| Service | Path | Range | Type | Released by |",
        "|---|---|---|---|---|",
        *map(_limits, CONTROLS),
        "",
    ]
    facts = sorted(table().facts, key=lambda fact: (fact.service != ANY_SERVICE, fact.service))
    for service, rows in groupby(facts, key=lambda fact: fact.service):
        lines += [
            "## All services" if service == ANY_SERVICE else f"## {service}",
            "",
            "| Path | Name | Unit | Area | Tier | Shown | Write |",
            "|---|---|---|---|---|---|---|",
            *map(_row, rows),
            "",
        ]
    lines += ["## Enumerations", ""]
    for name in sorted(ENUMS):
        lines += _enum(name)
    return "\n".join(lines).rstrip() + "\n"


def main(check: bool) -> int:
    """Write the page, or with `check` only compare; return the exit status."""
    return keep({TARGET: render()}, "core/gx", "gx", check=check)


if __name__ == "__main__":
    sys.exit(run_generator(__doc__, main))
