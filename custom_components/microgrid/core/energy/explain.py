"""Why a plan does what it does, in one sentence with numbers."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo

from .battery import Battery
from .clock import utc
from .island import IslandPlan
from .planning import Plan
from .value_curve import SMALL


def explain(plan: Plan, start: datetime, zone: tzinfo, step: int = 0, currency: str = "") -> str:
    """Return the reason of a step; `start` is when the plan begins."""
    if not 0 <= step < plan.steps:
        return "The plan is over: the battery follows the load."
    outlook, limits = plan.outlook, plan.limits
    if limits.usable <= SMALL:
        return "The battery has nothing to plan with: no capacity between reserve and ceiling."
    given, net = plan.battery_kwh[step], outlook.net_kwh[step]
    bought, sold = outlook.import_price[step], outlook.export_price[step]
    worth, unit = plan.curves[step + 1].worth(plan.stored_kwh[step + 1] - SMALL), f" {currency}".rstrip()
    power, hour = abs(given) / outlook.step_h, outlook.step_h
    later = _best_use(plan, start, zone, step)
    if given < -SMALL and -given > max(0.0, -net) + 1e-6:
        cost = bought / limits.charge_efficiency
        return (
            f"Charges with {power:.1f} kW from the grid: at {bought:.3f}{unit} a stored kWh costs {cost:.3f} "
            f"and is worth {worth:.3f}{later}."
        )
    if given < -SMALL:
        return (
            f"Stores {power:.1f} kW of surplus: exporting would bring {sold:.3f}{unit}, stored it is worth "
            f"{worth * limits.charge_efficiency:.3f} per kWh{later}."
        )
    if given > SMALL and given > max(0.0, net) + 1e-6:
        return (
            f"Gives {power:.1f} kW, part of it to the grid: {sold:.3f}{unit} per kWh is more than the "
            f"{worth / limits.discharge_efficiency:.3f} that keeping it is worth."
        )
    if given > SMALL:
        return (
            f"Covers {power:.1f} kW of the load: import costs {bought:.3f}{unit}, keeping the energy is "
            f"worth {worth / limits.discharge_efficiency:.3f} per kWh."
        )
    if net > SMALL and plan.stored_kwh[step] <= 1e-6:
        return f"Rests: the battery is empty down to its reserve, {net / hour:.1f} kW come from the grid."
    if net > SMALL:
        return (
            f"Keeps its energy: import costs {bought:.3f}{unit} now, a kWh kept is worth "
            f"{worth / limits.discharge_efficiency:.3f}{later}."
        )
    if plan.stored_kwh[step] >= limits.usable - 1e-6:
        return f"Rests: the battery is full, {-net / hour:.1f} kW are exported."
    return f"Rests: exporting brings {sold:.3f}{unit}, a stored kWh is worth {worth:.3f}."


def explain_island(plan: IslandPlan, battery: Battery, start: datetime, zone: tzinfo, step: int = 0) -> str:
    """Return what the charge should come to at the next turn of the sun after a step, and why."""
    percent = battery.state_of_charge_percent
    turn = next((turn for turn in plan.turns if turn.step > step), None)
    if turn is None:
        expected, least = plan.expected_kwh[step], plan.least_kwh[step]
        return (
            f"Off-grid, droop shares the load: {percent(expected):.0f} % are expected, at least "
            f"{percent(least):.0f} % are needed."
        )
    when = (utc(start) + timedelta(hours=turn.step)).astimezone(zone)
    name = "dusk" if turn.dusk else "dawn"
    head = (
        f"Off-grid, droop shares the load: {percent(turn.expected_kwh):.0f} % are expected at {name} "
        f"({when:%H:%M}), "
    )
    if turn.dusk or turn.short_kwh > 0.0:
        lack = f": {turn.short_kwh:.1f} kWh are missing, save them or start a generator"
        return (
            f"{head}until the sun is back {percent(turn.least_kwh):.0f} % are needed"
            f"{lack if turn.short_kwh > 0.0 else ''}."
        )
    lost = f": {turn.spare_kwh:.1f} kWh can be used before" if turn.spare_kwh > 0.0 else ""
    return f"{head}the day's sun finds room below {percent(turn.most_kwh):.0f} %{lost}."


def _best_use(plan: Plan, start: datetime, zone: tzinfo, step: int) -> str:
    """Return when the stored energy is used at the highest price."""
    uses = [
        (plan.outlook.import_price[at], -at)
        for at in range(step + 1, plan.steps)
        if plan.battery_kwh[at] > SMALL
    ]
    if not uses:
        return ""
    price, at = max(uses)
    when = utc(start) + timedelta(hours=-at * plan.outlook.step_h)
    return f", for {price:.3f} at {when.astimezone(zone):%H:%M}"
