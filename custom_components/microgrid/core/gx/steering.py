"""From power of the battery to the set-point of the grid: how an ESS is made to charge and discharge.

An ESS holds the power of the grid at a set-point; the battery takes what is left. The set-point that makes
the battery take a certain power moves with the load and the sun, so it is computed anew every few seconds,
from what is measured now. Powers have Victron's signs: into the battery and out of the grid are positive.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ..contract.messages import ScheduleCapability, ScheduleMode
from .tree import Tree

MODES: Final = (ScheduleMode.IDLE, ScheduleMode.DISCHARGE, ScheduleMode.CHARGE, ScheduleMode.FOLLOW)
FULL_PERCENT: Final = 99.5
STEP_W: Final = 10.0
"""Set-points are rounded to this."""
_EXTERNAL: Final = 3
"""`/Settings/CGwacs/Hub4Mode`: the ESS does not look at set-points."""
_MAINS: Final = (1, 3)
_PHASES: Final = ("L1", "L2", "L3")


@dataclass(frozen=True, slots=True)
class Figures:
    """What is measured now; None is unknown."""

    grid_w: float | None
    battery_w: float | None
    charge_percent: float | None
    minimum_percent: float | None
    most_charge_w: float | None
    """What the battery takes now; less when it is full or cold."""
    most_discharge_w: float | None
    obstacle: str = ""
    """Why the set-point has no effect now."""


@dataclass(frozen=True, slots=True)
class Aim:
    """What the set-point must be, and why it is not what was asked for."""

    setpoint_w: float | None
    """None lets the ESS follow the load by itself."""
    trouble: str = ""


def measure(tree: Tree) -> Figures:
    """Read the figures of a station."""

    def number(service: str, path: str) -> float | None:
        value = tree.value(service, path)
        return float(value) if isinstance(value, int | float) else None

    phases = [number("system", f"/Ac/Grid/{phase}/Power") for phase in _PHASES]
    told = [value for value in phases if value is not None]
    volts = number("system", "/Dc/Battery/Voltage")

    def most(ess: str, battery: str) -> float | None:
        """The least of what the ESS and the battery allow."""
        amperes = number("battery", battery)
        found = [number("hub4", ess), None if None in (amperes, volts) else (amperes or 0.0) * (volts or 0.0)]
        known = [value for value in found if value is not None and value >= 0.0]
        return min(known, default=None)

    source, mode = number("system", "/Ac/ActiveIn/Source"), number("settings", "/Settings/CGwacs/Hub4Mode")
    obstacle = ""
    if source is not None and int(source) not in _MAINS:
        obstacle = "the grid is not connected"
    elif mode == _EXTERNAL:
        obstacle = "the ESS is switched to external control"
    elif not told:
        obstacle = "nothing measures the grid"
    return Figures(
        grid_w=sum(told) if told else None,
        battery_w=number("system", "/Dc/Battery/Power"),
        charge_percent=number("system", "/Dc/Battery/Soc"),
        minimum_percent=number("system", "/Control/ActiveSocLimit"),
        most_charge_w=most("/MaxChargePower", "/Info/MaxChargeCurrent"),
        most_discharge_w=most("/MaxDischargePower", "/Info/MaxDischargeCurrent"),
        obstacle=obstacle,
    )


def capability(figures: Figures, known: ScheduleCapability | None) -> ScheduleCapability | None:
    """Return what the station can do: the most that it ever told, for a full battery takes nothing now."""
    charge_w = max(figures.most_charge_w or 0.0, known.max_charge_w if known else 0.0)
    discharge_w = max(figures.most_discharge_w or 0.0, known.max_discharge_w if known else 0.0)
    if charge_w <= 0.0 or discharge_w <= 0.0:
        return None
    return ScheduleCapability(MODES, round(charge_w), round(discharge_w))


def aim(mode: ScheduleMode, rate_w: float | None, now: Figures) -> Aim:
    """Return the set-point for what a schedule asks, within what the battery can take and give."""
    if mode is ScheduleMode.FOLLOW:
        return Aim(None)
    if now.obstacle:
        return Aim(None, now.obstacle)
    if now.grid_w is None or now.battery_w is None:
        return Aim(None, "the power of the battery is not known")
    wanted_w, trouble = rate_w or 0.0, ""
    if mode is ScheduleMode.DISCHARGE:
        wanted_w, trouble = _bounded(wanted_w, now.most_discharge_w, "give")
        minimum = now.minimum_percent or 0.0
        if now.charge_percent is None:
            wanted_w, trouble = 0.0, "the state of charge is not known"
        elif now.charge_percent <= minimum:
            wanted_w = 0.0
            trouble = f"the battery is at {now.charge_percent:g} %, its minimum is {minimum:g} %"
        wanted_w = -wanted_w
    elif mode is ScheduleMode.CHARGE:
        wanted_w, trouble = _bounded(wanted_w, now.most_charge_w, "take")
        if now.charge_percent is not None and now.charge_percent >= FULL_PERCENT:
            wanted_w, trouble = 0.0, "the battery is full"
    else:
        wanted_w = 0.0
    return Aim(round((now.grid_w + wanted_w - now.battery_w) / STEP_W) * STEP_W, trouble)


def _bounded(wanted_w: float, most_w: float | None, verb: str) -> tuple[float, str]:
    if most_w is None or wanted_w <= most_w:
        return wanted_w, ""
    return most_w, f"the battery can {verb} {most_w:.0f} W of {wanted_w:.0f} W now"
