"""What a policy would have cost on a history: the bill, and what of the possible saving it took."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .battery import Battery
from .history import History
from .policies import NoBattery, PerfectForesight, Policy, SelfConsumption

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bill:
    """What a house pays; currency, energies in kWh."""

    import_kwh: float
    export_kwh: float
    import_cost: float
    export_income: float
    demand_cost: float
    wear: float
    stored_value: float
    """Worth of what the battery holds more at the end than at the start."""

    @property
    def total(self) -> float:
        """What is compared: with wear, and with the stored energy taken into account."""
        return self.import_cost - self.export_income + self.demand_cost + self.wear - self.stored_value


@dataclass(frozen=True, slots=True, eq=False)
class Replayed:
    """How a battery would have moved."""

    policy: str
    change_kwh: Floats
    grid_kwh: Floats
    stored_kwh: Floats
    """After each step, above the reserve."""
    bill: Bill


@dataclass(frozen=True, slots=True)
class Comparison:
    """The four bills over the same measured days, and where a policy stands between them."""

    policy: str
    bill: float
    no_battery: float
    rule: float
    perfect: float

    @property
    def saving(self) -> float:
        """Share saved against no battery."""
        return _share(self.no_battery - self.bill, self.no_battery)

    @property
    def saving_over_rule(self) -> float:
        """Share saved against the self-consumption rule."""
        return _share(self.rule - self.bill, self.rule)

    @property
    def captured(self) -> float:
        """Share of the possible saving against no battery; NaN where nothing is possible."""
        return _share(self.no_battery - self.bill, self.no_battery - self.perfect)

    @property
    def captured_over_rule(self) -> float:
        """Share of what perfect foresight saves over the rule; NaN where that is nothing."""
        return _share(self.rule - self.bill, self.rule - self.perfect)


def replay(
    history: History,
    battery: Battery,
    policy: Policy,
    *,
    stored_kwh: float | None = None,
    skip: int = 0,
    demand_charge_per_kw: float = 0.0,
) -> Replayed:
    """Let a policy steer through a history, from half full unless told otherwise.

    In the first `skip` steps the battery rests and nothing is billed: forecasts learn from them.
    """
    limits = battery.limits(history.step_h)
    usable, up, down = limits.usable, limits.up, limits.down
    stored = usable / 2.0 if stored_kwh is None else stored_kwh
    stored = min(max(stored, 0.0), usable) if math.isfinite(stored) else 0.0
    decide = policy.start(history, battery)
    changes, levels = np.zeros(len(history)), np.zeros(len(history))
    # Everybody begins the billed part with the same energy, or the bound would not be one.
    for step, net in enumerate(history.net_kwh.tolist()):
        wanted = decide(step, stored, net) if step >= skip else 0.0
        change = max(-min(down, stored), min(up, usable - stored, wanted)) if math.isfinite(wanted) else 0.0
        stored += change
        changes[step], levels[step] = change, stored
    meter = np.where(
        changes >= 0.0, changes / limits.charge_efficiency, changes * limits.discharge_efficiency
    )
    grid = history.net_kwh + meter
    found = bill(history, battery, changes, grid, skip=skip, demand_charge_per_kw=demand_charge_per_kw)
    return Replayed(policy.name, changes, grid, levels, found)


def bill(
    history: History,
    battery: Battery,
    change_kwh: Floats,
    grid_kwh: Floats,
    *,
    skip: int = 0,
    demand_charge_per_kw: float = 0.0,
) -> Bill:
    """Return the bill of changes that were made."""
    limits = battery.limits(history.step_h)
    rows = slice(skip, None)
    grid, changes = grid_kwh[rows], change_kwh[rows]
    bought, sold = np.maximum(grid, 0.0), np.maximum(-grid, 0.0)
    worth = limits.discharge_efficiency * float(np.median(history.import_price)) if len(history) else 0.0
    peak = float(bought.max(initial=0.0)) / history.step_h
    return Bill(
        import_kwh=float(bought.sum()),
        export_kwh=float(sold.sum()),
        import_cost=float((bought * history.import_price[rows]).sum()),
        export_income=float((sold * history.export_price[rows]).sum()),
        demand_cost=demand_charge_per_kw * peak,
        wear=float(limits.wear * np.maximum(-changes, 0.0).sum()),
        stored_value=float(changes.sum()) * worth,
    )


def compare(
    history: History,
    battery: Battery,
    policies: Iterable[Policy],
    *,
    stored_kwh: float | None = None,
    skip: int = 0,
    demand_charge_per_kw: float = 0.0,
) -> list[Comparison]:
    """Replay policies and the three yardsticks on the same history."""
    known: dict[str, float] = {}

    def total(policy: Policy) -> float:
        if policy.name not in known:
            known[policy.name] = replay(
                history,
                battery,
                policy,
                stored_kwh=stored_kwh,
                skip=skip,
                demand_charge_per_kw=demand_charge_per_kw,
            ).bill.total
        return known[policy.name]

    none, rule, perfect = total(NoBattery()), total(SelfConsumption()), total(PerfectForesight())
    return [Comparison(policy.name, total(policy), none, rule, perfect) for policy in policies]


def _share(part: float, whole: float) -> float:
    return part / abs(whole) if abs(whole) > 1e-9 else math.nan  # a bill may be an income
