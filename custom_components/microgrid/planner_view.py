"""What people see of a plan: actions by the hour, rows, reasons, targets of charge, when a load shall run."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from typing import Any, Final

from .core.energy.battery import Battery
from .core.energy.explain import explain, explain_island
from .core.energy.island import Turn, shared
from .planner_batteries import Fleet
from .planner_money import Answer

CHARGE, STORE, SUPPLY, EXPORT, KEEP, REST = "charge", "store", "supply", "export", "keep", "rest"
ACTIONS: Final = (CHARGE, STORE, SUPPLY, EXPORT, KEEP, REST)
"""From the grid; surplus; the load; to the grid; for later; empty, full or nothing to do."""
RUN, USUAL, HOLD = "run", "usual", "hold"
ADVICE: Final = (RUN, USUAL, HOLD)
"""For a load that can be shifted: take more than usual, as usual, less."""
_SMALL_KWH: Final = 0.02
_SHIFTED: Final = 0.1
"""Share of its usual energy, or kWh, by which a load must be moved for anybody to be told."""


def step_at(found: Answer, now: datetime) -> int | None:
    """Return the step of the plan that an instant lies in."""
    step = int((now - found.start) / timedelta(hours=found.plan.outlook.step_h))
    return step if 0 <= step < found.plan.steps else None


def action_at(found: Answer, step: int) -> str:
    """Return what the battery does in a step."""
    plan = found.plan
    given, net = plan.battery_kwh[step], plan.outlook.net_kwh[step]
    if given < -_SMALL_KWH:
        return CHARGE if -given > max(0.0, -net) + _SMALL_KWH else STORE
    if given > _SMALL_KWH:
        return EXPORT if given > max(0.0, net) + _SMALL_KWH else SUPPLY
    return KEEP if net > _SMALL_KWH and plan.stored_kwh[step] > _SMALL_KWH else REST


def next_action(found: Answer, step: int) -> tuple[str, datetime] | None:
    """Return what it does after a step, and from when on; None when nothing else is planned."""
    now = action_at(found, step)
    for later in range(step + 1, found.plan.steps):
        if (then := action_at(found, later)) != now:
            return then, found.start + timedelta(hours=later * found.plan.outlook.step_h)
    return None


def reason(found: Answer, battery: Battery, zone: tzinfo, step: int, currency: str) -> str:
    """Return why the battery does what it does in a step, in one sentence."""
    if found.island is not None:
        return explain_island(found.island, battery, found.start, zone, step)
    return explain(found.plan, found.start, zone, step, currency)


def rows(found: Answer, battery: Battery, zone: tzinfo) -> list[dict[str, Any]]:
    """Return the plan by the hour."""
    plan, island = found.plan, found.island
    table = []
    for step in range(plan.steps):
        row: dict[str, Any] = {
            "start": (found.start + timedelta(hours=step)).astimezone(zone).isoformat(),
            "action": action_at(found, step),
            "battery_kwh": round(plan.battery_kwh[step], 3),
            "load_kwh": round(float(found.expectation.load_kwh[step]), 3),
            "solar_kwh": round(float(found.expectation.solar_kwh[step]), 3),
            "charge_percent": round(battery.state_of_charge_percent(plan.stored_kwh[step + 1]), 1),
        }
        if found.shift is not None:
            row["flexible_kwh"] = round(found.shift.planned_kwh[step], 3)
        if island is None:
            row |= {
                "grid_kwh": round(plan.grid_kwh[step], 3),
                "import_price": round(plan.outlook.import_price[step], 4),
                "export_price": round(plan.outlook.export_price[step], 4),
                "price_known": step < found.prices.known,
            }
        else:
            row |= {
                "least_percent": round(battery.state_of_charge_percent(island.least_kwh[step + 1]), 1),
                "most_percent": round(battery.state_of_charge_percent(island.most_kwh[step + 1]), 1),
                "unserved_kwh": round(island.unserved_kwh[step], 3),
                "curtailed_kwh": round(island.curtailed_kwh[step], 3),
            }
        table.append(row)
    return table


def target(
    found: Answer | None, fleet: Fleet, battery: Battery, zone: tzinfo, *, dusk: bool
) -> dict[str, Any] | None:
    """Return how full the batteries of an island should be at the next dusk or dawn, %."""
    if found is None or found.island is None or (turn := found.island.next_turn(dusk=dusk)) is None:
        return None

    def percent(kwh: float) -> float:
        return round(battery.state_of_charge_percent(kwh), 1)

    return {
        "target": percent(turn.target_kwh),
        "time": _at(found, turn, zone),
        "least": percent(turn.least_kwh),
        "most": percent(turn.most_kwh),
        "expected": percent(turn.expected_kwh),
        "short_kwh": round(turn.short_kwh, 2),
        "spare_kwh": round(turn.spare_kwh, 2) if not dusk else 0.0,
        "batteries": _each(fleet, battery, turn),
    }


def _each(fleet: Fleet, battery: Battery, turn: Turn) -> dict[str, float]:
    """Return the target of each battery by its name, %."""
    share = 1.0 - battery.reserve
    parts = shared(turn.target_kwh, [size * share for size in fleet.capacities_kwh])
    return {
        member.name: round(100.0 * (battery.reserve + part / size), 1) if size > 0.0 else 0.0
        for member, part, size in zip(fleet.members, parts, fleet.capacities_kwh, strict=True)
    }


def _at(found: Answer, turn: Turn, zone: tzinfo) -> str:
    return (found.start + timedelta(hours=turn.step)).astimezone(zone).isoformat()


def advice_at(found: Answer, step: int) -> str | None:
    """Return what a load that can be shifted shall do in a step; None where there is none."""
    if (shift := found.shift) is None:
        return None
    more = shift.planned_kwh[step] - shift.usual_kwh[step]
    if abs(more) <= max(_SHIFTED, _SHIFTED * shift.usual_kwh[step]):
        return USUAL
    return RUN if more > 0.0 else HOLD


def shift_rows(found: Answer, zone: tzinfo) -> list[dict[str, Any]]:
    """Return by the hour what a load that can be shifted shall take."""
    if (shift := found.shift) is None:
        return []
    return [
        {
            "start": (found.start + timedelta(hours=step)).astimezone(zone).isoformat(),
            "advice": advice_at(found, step),
            "kwh": round(planned, 3),
            "usual_kwh": round(usual, 3),
        }
        for step, (planned, usual) in enumerate(zip(shift.planned_kwh, shift.usual_kwh, strict=True))
    ]
