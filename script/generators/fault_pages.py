"""Writes docs/reference/faults.md from contract/faults.yaml and the catalogue of causes of the diagnosis."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from microgrid_core.contract.fault import Condition, FaultCategory
from microgrid_core.contract.faults import ALARMS, FAULTS, category_name
from microgrid_core.diagnosis.causes import CAUSES_OF_CODE, Cause, CauseKind
from microgrid_core.diagnosis.debugging.limits import HOUSE

from .kept import ROOT, keep, run_generator

TARGET = ROOT / "docs" / "reference" / "faults.md"

HEAD = """# Faults and alarms

Every code that the project knows: what it means, what is likely behind it, and what to check first.
Generated from `contract/faults.yaml` and `custom_components/microgrid/core/diagnosis/causes.py` by
`script/generate fault-pages`.

- **Trips at**: the default of the node's firmware; an installer may have set another limit.
- **Likely causes**: what the [diagnosis](../diagnosis.md) decides between by the measurements of a fault. How
  often each comes in the field nobody has counted yet, so defects of the unit itself stand first, each group
  in the order in which it is worth being thought of. `microgrid.get_fault` tells which one it is, and
  [the guide](../debugging.md) how to go on from there.
- **Where**: *here*: a defect of what told the fault; *elsewhere*: it only carried the consequence;
  *measurement*: nothing happened but that a sensor was wrong; *nothing*: no defect, it passed.
- **Check first**: for whoever is on site, most likely first. Switch off and secure before touching anything
  that carries current; the terminals of a battery stay live.
"""
_WHERE = {
    CauseKind.LOCAL: "here",
    CauseKind.PROPAGATED: "elsewhere",
    CauseKind.SENSOR: "measurement",
    CauseKind.NONE: "nothing",
}


_GRAVITY = {
    True: ("by how far", "severity by how far the limit was passed"),
    False: ("by its event", "severity in the event that tells of it"),
}


def judged_by_limit(alarm: Condition) -> bool:
    """Whether a limit in the catalogue is what raises it; a device of another maker has its own."""
    return alarm.category is FaultCategory.HEAT_PUMP


def ordered(code: str) -> list[Cause]:
    """The causes of a code: defects here, elsewhere, of a sensor, none at all."""
    kinds = list(_WHERE)
    return sorted(CAUSES_OF_CODE.get(code, ()), key=lambda cause: kinds.index(cause.kind))


def _section(condition: Condition, severity: str) -> Iterator[str]:
    text = condition.text("en")
    yield f"### {condition.code}"
    yield ""
    yield f"**{text.name}** ({severity}). {text.description} {text.advice}"
    yield ""
    if condition.threshold:
        delays = {row.delay_s for row in HOUSE.get(condition.code, ())}
        lasting = "".join(f", lasting {delay:g} s" for delay in delays if " for " not in condition.threshold)
        yield f"Trips at: {condition.threshold}{lasting}."
        yield ""
    causes = ordered(condition.code)
    if not causes:
        return
    yield "| likely cause | where | check first |"
    yield "|---|---|---|"
    for cause in causes:
        checks = "<br>".join(f"{number}. {check}" for number, check in enumerate(cause.checks, 1))
        yield f"| {cause.meaning}<br>`{cause.id}` | {_WHERE[cause.kind]} | {checks} |"
    yield ""


def render() -> str:
    """Return the page."""
    lines = [HEAD]
    for category in FaultCategory:
        faults = [fault for fault in FAULTS.values() if fault.category is category]
        alarms = [alarm for alarm in ALARMS.values() if alarm.category is category]
        if not faults and not alarms:
            continue
        lines += [f"## {category_name(category, 'en')}", "", "| code | name | severity |", "|---|---|---|"]
        lines += [
            f"| [{one.code}](#{one.code.lower()}) | {one.text('en').name} | {one.severity} |"
            for one in faults
        ]
        for one in alarms:
            gravity, _ = _GRAVITY[judged_by_limit(one)]
            lines.append(f"| [{one.code}](#{one.code.lower()}) | {one.text('en').name} | {gravity} |")
        lines.append("")
        for fault in faults:
            lines += _section(fault, str(fault.severity))
        for alarm in alarms:
            lines += _section(alarm, _GRAVITY[judged_by_limit(alarm)][1])
    return "\n".join(lines).rstrip("\n") + "\n"


def main(check: bool) -> int:
    """Write the page, or with `check` only compare; return the exit status."""
    return keep({TARGET: render()}, "the catalogues", "fault-pages", check=check)


if __name__ == "__main__":
    sys.exit(run_generator(__doc__, main))
